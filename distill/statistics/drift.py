"""Has the input or the output changed? Tests for one window against a reference; PSI is for display alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


class DriftTest(NamedTuple):
    """A test statistic and its p-value under "nothing changed"."""

    statistic: float
    p_value: float


def population_stability_index(reference: Sequence[float] | Floats, current: Sequence[float] | Floats) -> float:
    """Return sum (q - p) ln(q / p) over B bins of two distributions, each summing to 1.

    An empty bin counts as half a millionth. For display, beside `psi_threshold`.

    Raises:
        ValueError: lengths differ or a side does not sum to 1.
    """
    p, q = np.asarray(reference, np.float64), np.asarray(current, np.float64)
    if len(p) != len(q) or abs(p.sum() - 1) > 1e-3 or abs(q.sum() - 1) > 1e-3:
        raise ValueError("PSI needs two distributions over the same bins, each summing to 1")
    p, q = np.maximum(p, 5e-7), np.maximum(q, 5e-7)
    return float(np.sum((q - p) * np.log(q / p)))


def psi_threshold(n_reference: int, n_current: int, bins: int, confidence: float = 0.99) -> float:
    """Return the PSI that no drift exceeds with probability 1 - confidence: (1/n + 1/m) chi2_{B-1}.

    Raises:
        ValueError: a count is below 1 or there are fewer than two bins.
    """
    if min(n_reference, n_current) < 1 or bins < 2:
        raise ValueError(f"need rows and two bins, got n={n_reference}, m={n_current}, bins={bins}")
    return (1 / n_reference + 1 / n_current) * float(stats.chi2.ppf(confidence, bins - 1))


def ks_test(reference: Sequence[float] | Floats, current: Sequence[float] | Floats) -> DriftTest:
    """Return the two-sample Kolmogorov-Smirnov test of a number's distribution.

    Raises:
        ValueError: a side is empty.
    """
    result = stats.ks_2samp(np.asarray(reference, np.float64), np.asarray(current, np.float64))
    statistic, p_value = cast("tuple[float, float]", result)
    return DriftTest(float(statistic), float(p_value))


def chi_squared_test(reference: Sequence[int], current: Sequence[int]) -> DriftTest:
    """Return the chi-squared test of homogeneity of two rows of counts over the same categories.

    Categories empty on both sides are left out; those with an expectation below 5 on either side are pooled.

    Raises:
        ValueError: lengths differ or a side is empty.
    """
    table = np.asarray([reference, current], np.float64)
    if table.ndim != 2 or (table.sum(axis=1) <= 0).any():
        raise ValueError("chi-squared needs counts on both sides over the same categories")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    rare = expected.min(axis=0) < 5
    kept = table[:, ~rare]
    if table[:, rare].sum() > 0:
        kept = np.hstack([kept, table[:, rare].sum(axis=1, keepdims=True)])
    if kept.shape[1] < 2:
        return DriftTest(0.0, 1.0)
    statistic, p_value, *_ = cast("tuple[float, float, int, Floats]", stats.chi2_contingency(kept, correction=False))
    return DriftTest(float(statistic), float(p_value))
