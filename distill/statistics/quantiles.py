"""A quantile with an interval from order statistics: no assumption about the distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from distill.statistics.interval import Interval


def quantile(values: Sequence[float], q: float) -> float:
    """Return the smallest value with at least a share q of the values at or below it.

    Raises:
        ValueError: there are no values or q is not in (0, 1).
    """
    if not values or not 0 < q < 1:
        raise ValueError(f"need values and q in (0, 1), got {len(values)} values and q={q!r}")
    return float(np.quantile(np.asarray(values, np.float64), q, method="inverted_cdf"))


def quantile_interval(values: Sequence[float], q: float, confidence: float = 0.95) -> Interval:
    """Return the two-sided interval between order statistics; a side that n cannot bound is -inf or inf.

    Raises:
        ValueError: there are no values or q is not in (0, 1).
    """
    if not values or not 0 < q < 1:
        raise ValueError(f"need values and q in (0, 1), got {len(values)} values and q={q!r}")
    ordered = np.sort(np.asarray(values, np.float64))
    n, tail = len(ordered), (1 - confidence) / 2
    # X_(r) lies above the quantile with probability P(Bin(n, q) < r)
    low_rank = int(stats.binom.ppf(tail, n, q))
    high_rank = int(stats.binom.ppf(1 - tail, n, q)) + 1
    low = float(ordered[low_rank - 1]) if low_rank >= 1 else float("-inf")
    high = float(ordered[high_rank - 1]) if high_rank <= n else float("inf")
    return Interval(low, high)
