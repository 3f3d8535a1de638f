"""Examples that belong together (one document, customer, template): standard errors over clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

MIN_CLUSTERS = 20
_MIN_ACTIVE = 10  # clusters that vary, below which a design effect cannot be estimated

Floats = NDArray[np.float64]


class DesignEffect(NamedTuple):
    """`factor` >= 1 divides the sample size; `clusters` is G; `worst_case` says that it was assumed, not measured."""

    factor: float
    clusters: int
    worst_case: bool


def clustered_se(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> float:
    """Return the standard error of the mean over clusters, with the factor G/(G-1).

    Miller 2024 (arXiv:2411.00640): SE = sqrt(G/(G-1) * sum_g (sum_{i in g} (x_i - mean))^2) / n.

    Raises:
        ValueError: fewer than two clusters, or lengths differ.
    """
    x, codes = _prepare(values, clusters)
    groups = int(codes.max()) + 1 if len(codes) else 0
    if groups < 2:
        raise ValueError(f"a clustered standard error needs two clusters or more, got {groups}")
    sums = np.bincount(codes, weights=x - x.mean(), minlength=groups)
    return math.sqrt(groups / (groups - 1) * float(np.sum(sums**2))) / len(x)


def cluster_sums(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> Floats:
    """Return the sum of the values of each cluster, in order of first appearance.

    Raises:
        ValueError: lengths differ.
    """
    x, codes = _prepare(values, clusters)
    return np.bincount(codes, weights=x).astype(np.float64)


def design_effect(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> DesignEffect:
    """Return the factor by which clustering inflates the variance of the mean, never below 1.

    Where fewer than ten clusters differ from the usual value, the data cannot tell; then the worst case is
    taken: rows of one cluster as copies of each other, sum_g(n_g^2) / n.

    Raises:
        ValueError: fewer than two clusters, or lengths differ.
    """
    x, codes = _prepare(values, clusters)
    sizes = np.bincount(codes)
    worst = float(np.sum(sizes.astype(np.float64) ** 2) / len(x))
    levels, counts = np.unique(x, return_counts=True)
    usual = levels[np.argmax(counts)]
    active = len(np.unique(codes[x != usual]))
    naive = float(np.var(x, ddof=1)) / len(x) if len(x) > 1 else 0.0
    if active < _MIN_ACTIVE or naive <= 0:
        return DesignEffect(max(1.0, worst), len(sizes), worst_case=worst > 1)
    return DesignEffect(max(1.0, clustered_se(x, clusters) ** 2 / naive), len(sizes), worst_case=False)


def have_repeats(clusters: Sequence[Hashable]) -> bool:
    """Say whether any cluster holds more than one row."""
    return len(set(clusters)) < len(clusters)


def t_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's t."""
    return float(special.stdtrit(degrees, probability))


def _prepare(values: Sequence[float] | Floats, clusters: Sequence[Hashable]) -> tuple[Floats, NDArray[np.int64]]:
    x = np.asarray(values, dtype=np.float64)
    if len(x) != len(clusters):
        raise ValueError(f"{len(x)} values but {len(clusters)} cluster names")
    seen: dict[Hashable, int] = {}
    codes = np.array([seen.setdefault(name, len(seen)) for name in clusters], dtype=np.int64)
    return x, codes
