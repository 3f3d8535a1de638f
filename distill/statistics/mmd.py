"""Maximum mean discrepancy: do two sets of vectors come from one distribution? (Gretton et al. 2012, JMLR 13:723)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill.statistics.drift import DriftTest

Floats = NDArray[np.float64]


def mmd_squared(x: Sequence[Sequence[float]] | Floats, y: Sequence[Sequence[float]] | Floats, gamma: float) -> float:
    """Return the unbiased MMD^2 of x (n, d) and y (m, d) under exp(-gamma |a - b|^2); it may be negative.

    Raises:
        ValueError: a side has fewer than two rows, or widths differ.
    """
    first, second = _pair(x, y)
    kernel = _rbf(np.vstack([first, second]), gamma)
    return float(_statistic(kernel, np.concatenate([np.ones(len(first)), np.zeros(len(second))])[None, :])[0])


def mmd_permutation_test(
    x: Sequence[Sequence[float]] | Floats,
    y: Sequence[Sequence[float]] | Floats,
    gamma: float | None = None,
    permutations: int = 499,
    seed: int = 0,
) -> DriftTest:
    """Return MMD^2 with p = (1 + permuted at least as large) / (permutations + 1).

    `gamma` None takes 1 / (2 median^2) of the pooled distances (the median heuristic).

    Raises:
        ValueError: a side has fewer than two rows, or widths differ.
    """
    first, second = _pair(x, y)
    pooled = np.vstack([first, second])
    kernel = _rbf(pooled, gamma if gamma is not None else _median_gamma(pooled))
    sides = np.concatenate([np.ones(len(first)), np.zeros(len(second))])
    observed = float(_statistic(kernel, sides[None, :])[0])
    rng = np.random.default_rng(seed)
    permuted = _statistic(kernel, rng.permuted(np.tile(sides, (permutations, 1)), axis=1))
    return DriftTest(observed, float((1 + np.sum(permuted >= observed - 1e-12)) / (permutations + 1)))


def _statistic(kernel: Floats, sides: Floats) -> Floats:
    """Return MMD^2 for R assignments: kernel (N, N) with ones on the diagonal, sides (R, N) in {0, 1}."""
    n = float(sides[0].sum())
    m = sides.shape[1] - n
    to_first = sides @ kernel
    within_first = (to_first * sides).sum(axis=1) - n
    across = (to_first * (1 - sides)).sum(axis=1)
    within_second = ((1 - sides) @ kernel * (1 - sides)).sum(axis=1) - m
    return within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * across / (n * m)


def _rbf(rows: Floats, gamma: float) -> Floats:
    return np.exp(-gamma * _squared_distances(rows))


def _squared_distances(rows: Floats) -> Floats:
    norms = (rows**2).sum(axis=1)
    distances = np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def _median_gamma(rows: Floats) -> float:
    distances = _squared_distances(rows)[np.triu_indices(len(rows), k=1)]
    median = float(np.median(distances))
    return 1.0 if median <= 0 else 1 / (2 * median)


def _pair(x: Sequence[Sequence[float]] | Floats, y: Sequence[Sequence[float]] | Floats) -> tuple[Floats, Floats]:
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"MMD needs two rows or more of equal width a side, got {first.shape} and {second.shape}")
    return first, second
