"""Is a confidence of .8 right 80% of the time? Brier, ECE beside its own null, temperature and isotonic fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]


def brier_score(confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats) -> float:
    """Return the mean squared gap between confidence (N) and outcome (N, 0 or 1)."""
    return float(np.mean((np.asarray(confidence, np.float64) - np.asarray(correct, np.float64)) ** 2))


def expected_calibration_error(
    confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats, bins: int = 15
) -> float:
    """Return ECE over equal-width bins (l, r] (Guo et al. 2017, arXiv:1706.04599).

    Raises:
        ValueError: no values, or lengths differ.
    """
    p, y = _same_length(confidence, correct)
    sums = np.bincount(bin_of(p, bins), weights=p - y, minlength=bins)
    return float(np.abs(sums).sum() / len(p))


def ece_null(confidence: Sequence[float] | Floats, bins: int = 15, draws: int = 1000, seed: int = 0) -> Floats:
    """Return sorted ECE values (draws) of a perfectly calibrated model with these confidences.

    Judge an ECE against these, never against 0: noise alone gives .066 at n=200 and .029 at n=1,000.

    Raises:
        ValueError: no values.
    """
    p, _ = _same_length(confidence, confidence)
    outcomes = np.random.default_rng(seed).random((draws, len(p))) < p
    membership = np.zeros((len(p), bins))
    membership[np.arange(len(p)), bin_of(p, bins)] = 1.0
    return np.sort(np.abs((p - outcomes) @ membership).sum(axis=1) / len(p))


def bin_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """Return the index of the right-closed equal-width bin of each confidence; 0 falls into the first."""
    edges = np.arange(1, bins + 1) / bins
    return np.minimum(np.searchsorted(edges, confidence, side="left"), bins - 1).astype(np.int64)


def fit_temperature(logits: Sequence[Sequence[float]] | Floats, labels: Sequence[int]) -> float:
    """Return T > 0 that minimises the negative log-likelihood of softmax(logits / T).

    `logits` is (N, classes); `labels` are class indices. Fit on a calibration split, never on held-out.

    Raises:
        ValueError: no rows, or lengths differ.
    """
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if len(z) == 0 or len(z) != len(y):
        raise ValueError(f"{len(z)} rows of logits but {len(y)} labels")

    def loss(log_t: float) -> float:
        scaled = z / np.exp(log_t)
        return float(np.mean(special.logsumexp(scaled, axis=1) - scaled[np.arange(len(y)), y]))

    found = optimize.minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(cast("optimize.OptimizeResult", found).x))


@dataclass(frozen=True, slots=True)
class IsotonicMap:
    """A non-decreasing map from a raw confidence to P(correct): linear between the knots, flat outside."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def apply(self, confidence: Sequence[float] | Floats) -> Floats:
        """Return calibrated confidences in [0, 1], same length."""
        return np.interp(np.asarray(confidence, np.float64), self.knots, self.values)


def fit_isotonic(confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats) -> IsotonicMap:
    """Fit the isotonic map of confidence (N) to P(correct) (Zadrozny & Elkan 2002).

    Each block is shrunk towards 1/2 by one pseudo-row (Laplace), so no confidence becomes exactly 0 or 1.

    Raises:
        ValueError: no values, or lengths differ.
    """
    p, y = _same_length(confidence, correct)
    order = np.argsort(p, kind="stable")
    fitted = optimize.isotonic_regression(y[order])
    bounds = fitted.blocks
    knots: list[float] = []
    values: list[float] = []
    for start, end in pairwise(bounds.tolist()):
        rows = order[start:end]
        share = (float(y[rows].sum()) + 0.5) / (len(rows) + 1)
        for knot in dict.fromkeys((float(p[rows[0]]), float(p[rows[-1]]))):
            knots.append(knot)
            values.append(share)
    return IsotonicMap(tuple(knots), tuple(np.maximum.accumulate(values).tolist()))


def _same_length(confidence: Sequence[float] | Floats, correct: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    p, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if len(p) == 0 or len(p) != len(y):
        raise ValueError(f"need as many confidences as outcomes and one or more, got {len(p)} and {len(y)}")
    return p, y
