"""The mean of paired differences: t interval and test, plain or over clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from distill.statistics.clusters import clustered_se, have_repeats
from distill.statistics.interval import Interval

Floats = NDArray[np.float64]


class MeanEstimate(NamedTuple):
    """Mean of n values with its standard error and degrees of freedom; `se` is 0 when all values are equal."""

    mean: float
    se: float
    degrees: int
    n: int


def estimate_mean(values: Sequence[float] | Floats, clusters: Sequence[Hashable] | None = None) -> MeanEstimate:
    """Return the mean and its standard error (n - 1 degrees; over G clusters that repeat: G - 1).

    Raises:
        ValueError: fewer than two values or clusters, or a value is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"need two finite values or more, got {len(x)}")
    if np.ptp(x) == 0:
        return MeanEstimate(float(x[0]), 0.0, len(x) - 1, len(x))
    if clusters is not None and have_repeats(clusters):
        return MeanEstimate(float(x.mean()), clustered_se(x, clusters), len(set(clusters)) - 1, len(x))
    return MeanEstimate(float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x) - 1, len(x))


def mean_interval(estimate: MeanEstimate, confidence: float = 0.95) -> Interval:
    """Return the two-sided t interval of a mean."""
    half = float(special.stdtrit(estimate.degrees, 0.5 + confidence / 2)) * estimate.se
    return Interval(estimate.mean - half, estimate.mean + half)


def mean_above_p(estimate: MeanEstimate, bound: float) -> float:
    """Return the one-sided p-value of H0 `mean <= bound`; 1 where all values are equal (nothing can be said)."""
    if estimate.se == 0:
        return 1.0
    return float(special.stdtr(estimate.degrees, -(estimate.mean - bound) / estimate.se))


def mean_below_p(estimate: MeanEstimate, bound: float) -> float:
    """Return the one-sided p-value of H0 `mean >= bound`; 1 where all values are equal (nothing can be said)."""
    if estimate.se == 0:
        return 1.0
    return float(special.stdtr(estimate.degrees, (estimate.mean - bound) / estimate.se))


def paired_t_interval(
    student: Sequence[float] | Floats, teacher: Sequence[float] | Floats, confidence: float = 0.95
) -> Interval:
    """Return the t interval of mean(student - teacher), df n - 1.

    Raises:
        ValueError: lengths differ, fewer than two pairs, or a value is not finite.
    """
    s, t = np.asarray(student, dtype=np.float64), np.asarray(teacher, dtype=np.float64)
    if s.shape != t.shape:
        raise ValueError(f"{len(s)} student values but {len(t)} teacher values")
    return mean_interval(estimate_mean(s - t), confidence)
