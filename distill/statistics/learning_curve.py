"""What more data would bring: acc(n) = a - b n^-c, fitted and carried forward at most fourfold. Never gated on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from distill.statistics.interval import Interval

Floats = NDArray[np.float64]

MIN_SIZES, MIN_SPAN, MAX_REACH = 5, 16.0, 4.0


class PowerLaw(NamedTuple):
    """acc(n) = a - b n^-c, with a in [0, 1], b >= 0, c in [.01, 3]."""

    a: float
    b: float
    c: float

    def at(self, n: float) -> float:
        """Return the accuracy at n rows."""
        return self.a - self.b * n**-self.c


class Forecast(NamedTuple):
    """`value` is None when no forecast is made, and `reason` says why."""

    value: float | None
    interval: Interval | None
    fit: PowerLaw | None
    reason: str


def fit_power_law(
    sizes: Sequence[float] | Floats,
    accuracies: Sequence[float] | Floats,
    weights: Sequence[float] | Floats | None = None,
) -> PowerLaw:
    """Return the weighted least-squares fit; weights are inverse variances (default: equal).

    For each c the best a and b are linear, so only c is searched.

    Raises:
        ValueError: fewer than three sizes, or lengths differ.
    """
    n, y = np.asarray(sizes, np.float64), np.asarray(accuracies, np.float64)
    w = np.ones_like(n) if weights is None else np.asarray(weights, np.float64)
    if len(n) < 3 or not len(n) == len(y) == len(w):
        raise ValueError(f"a fit needs three sizes or more and as many values, got {len(n)} and {len(y)}")
    grid = np.linspace(math.log(0.01), math.log(3), 60)
    best = int(np.argmin([_best_for(math.exp(u), n, y, w)[1] for u in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]

    def loss(log_c: float) -> float:
        return _best_for(math.exp(log_c), n, y, w)[1]

    found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    log_c = float(cast("optimize.OptimizeResult", found).x)
    return _best_for(math.exp(log_c), n, y, w)[0]


def forecast_accuracy(
    sizes: Sequence[int],
    accuracies: Sequence[float],
    predict_at: int,
    n_eval: int,
    draws: int = 500,
    seed: int = 0,
    confidence: float = 0.95,
) -> Forecast:
    """Forecast the accuracy at `predict_at` training rows, with a parametric-bootstrap interval, or say why not.

    `n_eval` is the number of rows each accuracy was measured on.

    Raises:
        ValueError: lengths differ or `n_eval` is below 1.
    """
    if len(sizes) != len(accuracies) or n_eval < 1:
        raise ValueError(f"{len(sizes)} sizes, {len(accuracies)} accuracies, n_eval={n_eval!r}")
    pairs = sorted(zip(sizes, accuracies, strict=True))
    refusal = _refuse([s for s, _ in pairs], [a for _, a in pairs], predict_at, n_eval)
    if refusal:
        return Forecast(None, None, None, f"no forecast: {refusal}")
    n, y = np.array([s for s, _ in pairs], np.float64), np.array([a for _, a in pairs])
    weights = n_eval / np.maximum(y * (1 - y), 1 / n_eval)
    fit = fit_power_law(n, y, weights)
    rng = np.random.default_rng(seed)
    fitted = np.clip([fit.at(size) for size in n], 1e-6, 1 - 1e-6)
    simulated = rng.binomial(n_eval, fitted, size=(draws, len(n))) / n_eval
    values = [fit_power_law(n, row, weights).at(predict_at) for row in simulated]
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Forecast(fit.at(predict_at), Interval(float(low), float(high)), fit, f"fitted to {len(n)} sizes")


def _refuse(sizes: list[int], accuracies: list[float], predict_at: int, n_eval: int) -> str | None:
    if len(set(sizes)) < MIN_SIZES or sizes[-1] < MIN_SPAN * sizes[0]:
        return (
            f"it takes {MIN_SIZES} sizes over {MIN_SPAN:.0f}x, got {len(set(sizes))} over {sizes[-1] / sizes[0]:.1f}x"
        )
    if predict_at > MAX_REACH * sizes[-1]:
        return f"{predict_at} is more than {MAX_REACH:.0f}x the largest size {sizes[-1]}"
    if any(later < earlier for earlier, later in pairwise(accuracies)):
        return "accuracy does not rise with every size"
    before, last = accuracies[-2], accuracies[-1]
    noise = math.sqrt((before * (1 - before) + last * (1 - last)) / n_eval)
    if last - before < 1.96 * noise:
        return "the two largest sizes cannot be told apart"
    return None


def _best_for(c: float, n: Floats, y: Floats, w: Floats) -> tuple[PowerLaw, float]:
    x = n**-c
    mean_x, mean_y = float(np.average(x, weights=w)), float(np.average(y, weights=w))
    spread = float(np.sum(w * (x - mean_x) ** 2))
    b = max(0.0, -float(np.sum(w * (x - mean_x) * (y - mean_y))) / spread) if spread > 0 else 0.0
    a = mean_y + b * mean_x
    if not 0 <= a <= 1:
        a = min(max(a, 0.0), 1.0)
        b = max(0.0, float(np.sum(w * x * (a - y)) / np.sum(w * x * x)))
    return PowerLaw(a, b, c), float(np.sum(w * (y - a + b * x) ** 2))
