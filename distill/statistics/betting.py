"""A bounded mean, tested again and again: wealth of a gambler who bets against the hypothesis.

Waudby-Smith & Ramdas 2024 (J R Stat Soc B 86:1, arXiv:2010.09686, section 4), with a fixed grid of bets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BETS = np.array([0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])


def mean_wealth(values: Sequence[float], mean: float) -> NDArray[np.float64]:
    """Return the evidence against "the mean of values in [0, 1] is at most `mean`" after each value.

    It reaches 1/alpha at any time with probability at most alpha while that is true. It is the average over bets b
    of prod(1 + b (x - mean) / mean), a non-negative supermartingale for each b in (0, 1).

    Raises:
        ValueError: `mean` is not in (0, 1), or a value is not in [0, 1].
    """
    if not 0 < mean < 1:
        raise ValueError(f"mean must be in (0, 1), got {mean!r}")
    given = np.asarray(values, np.float64)
    if given.size and not (given.min() >= 0 and given.max() <= 1):
        raise ValueError("values must be in [0, 1]")
    steps = np.log1p(_BETS[:, None] * (given[None, :] - mean) / mean)
    growth = np.cumsum(steps, axis=1)
    return np.exp(np.minimum(growth, 700.0)).mean(axis=0)
