"""Prediction-powered inference: a small gold set helped by many teacher labels (PPI++, arXiv:2311.01453)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from distill.statistics.interval import Interval

Floats = NDArray[np.float64]


class PoweredMean(NamedTuple):
    """`weight` (lambda, in [0, 1]) is how far the teacher's labels are trusted; 0 leaves the gold rows alone."""

    mean: float
    se: float
    weight: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the two-sided normal interval."""
        half = float(stats.norm.ppf(0.5 + confidence / 2)) * self.se
        return Interval(self.mean - half, self.mean + half)


def powered_mean(
    gold: Sequence[float] | Floats, proxy_on_gold: Sequence[float] | Floats, proxy: Sequence[float] | Floats
) -> PoweredMean:
    """Return the PPI++ estimate of a mean (e.g. accuracy) with the weight that minimises its variance.

    `gold` (n) are scores against gold, `proxy_on_gold` (n) the same rows scored against the teacher, `proxy` (N)
    further rows scored against the teacher.

    Raises:
        ValueError: fewer than two rows of either kind, or lengths differ.
    """
    y, f, g = (np.asarray(values, np.float64) for values in (gold, proxy_on_gold, proxy))
    n, N = len(y), len(g)
    if n != len(f) or n < 2 or N < 2:
        raise ValueError(f"need two rows or more of each kind and pairs on gold, got {n}, {len(f)} and {N}")
    # arXiv:2311.01453, example 6.1: lambda* = Cov(Y, f) / ((1 + n/N) Var(f))
    variance = float(np.var(np.concatenate([f, g]), ddof=1))
    covariance = float(np.cov(y, f)[0, 1])
    weight = 0.0 if variance == 0 else min(1.0, max(0.0, covariance / ((1 + n / N) * variance)))
    mean = weight * float(g.mean()) + float(np.mean(y - weight * f))
    se = math.sqrt(weight**2 * float(np.var(g, ddof=1)) / N + float(np.var(y - weight * f, ddof=1)) / n)
    return PoweredMean(mean, se, weight)
