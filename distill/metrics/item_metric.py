"""Metrics that are the mean of a score per example: repeats are averaged first, clusters widen the interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distill.metrics.protocol import Combine, Floats, Kind
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.statistics.clusters import MIN_CLUSTERS, design_effect, have_repeats
from distill.statistics.paired import estimate_mean, mean_interval
from distill.statistics.proportions import wilson_interval


def average(values: Sequence[float]) -> float | None:
    """Return the mean of an example's repeats."""
    return sum(values) / len(values)


@dataclass(frozen=True, slots=True)
class ItemMetric:
    """The mean of `score` over examples; `bounds` are the values a score can take (None: unbounded).

    `combine` makes one value of an example's repeats, None where it cannot.
    """

    name: str
    score: Callable[[Prediction], float | None]
    unit: str = "fraction"
    higher_is_better: bool = True
    factor: float = 1.0
    bounds: tuple[float, float] | None = (0.0, 1.0)
    combine: Callable[[Sequence[float]], float | None] = average
    kind: Kind = "mean"
    q: float | None = None

    def item(self, prediction: Prediction) -> float | None:
        return self.score(prediction)

    def is_measured(self, prediction: Prediction) -> bool:
        return self.score(prediction) is not None

    def over_repeats(self, values: Sequence[float]) -> float | None:
        return self.combine(values)

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        matrices = [np.array([[self.score(p) or 0.0, 1.0] for p in system]) for system in systems]
        return matrices, lambda sums: self.factor * sums[:, 0] / np.maximum(sums[:, 1], 1e-12)

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        values, clusters = mean_by_example(predictions, self.score, self.combine)
        n = len(values)
        if not np.isfinite(values).all():
            return refuse_nan(self.name, self.unit, int((~np.isfinite(values)).sum()))
        if n == 0:
            return Score(self.name, None, None, None, 0, self.unit, "nothing was measured")
        mean = float(np.mean(values))
        if self.bounds == (0.0, 1.0) and self.factor == 1 and np.isin(values, (0.0, 1.0)).all():
            low, high = _proportion_interval(values, clusters, confidence)
            return Score(self.name, mean, low, high, n, self.unit)
        if n < 2 or np.ptp(values) == 0:
            return self._constant(mean, n)
        if clusters is not None and len(set(clusters)) < 2:
            return Score(self.name, self.factor * mean, None, None, n, self.unit, "all examples are of one cluster")
        low, high = mean_interval(estimate_mean(values, clusters), confidence)
        if self.bounds is not None:
            low, high = max(low, self.bounds[0]), min(high, self.bounds[1])
        return Score(self.name, self.factor * mean, self.factor * low, self.factor * high, n, self.unit)

    def _constant(self, mean: float, n: int) -> Score:
        value = self.factor * mean
        if self.bounds is None:
            return Score(self.name, value, value, value, n, self.unit, "the same for every example")
        low, high = (self.factor * bound for bound in self.bounds)
        return Score(self.name, value, low, high, n, self.unit, "all scores are equal: no interval can be given")


def refuse_nan(name: str, unit: str, count: int) -> Score:
    """Return the score of a metric that some rows have no number for: unknown, never NaN."""
    return Score(name, None, None, None, 0, unit, f"{count} scores are not numbers: nothing can be said")


def mean_by_example(
    predictions: Sequence[Prediction],
    score: Callable[[Prediction], float | None],
    combine: Callable[[Sequence[float]], float | None] = average,
) -> tuple[Floats, list[str] | None]:
    """Make one value of the repeats of each example; return them, and the clusters where any holds two examples.

    Examples whose score is None are left out.
    """
    sums: dict[str, list[float]] = {}
    cluster_of: dict[str, str] = {}
    for prediction in predictions:
        value = score(prediction)
        if value is not None:
            sums.setdefault(prediction.id, []).append(value)
            cluster_of[prediction.id] = prediction.cluster or prediction.id
    combined = {name: combine(found) for name, found in sums.items()}
    values = np.array([value for value in combined.values() if value is not None], np.float64)
    clusters = [cluster_of[name] for name, value in combined.items() if value is not None]
    return values, clusters if have_repeats(clusters) else None


def _proportion_interval(values: Floats, clusters: list[str] | None, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval; over repeated clusters on n / design effect rows (Korn & Graubard 1998)."""
    n = len(values)
    if clusters is None:
        return wilson_interval(float(values.sum()), n, confidence)
    effect = design_effect(values, clusters)
    if effect.clusters < MIN_CLUSTERS:
        return 0.0, 1.0
    return wilson_interval(float(values.sum()) / effect.factor, n / effect.factor, confidence)
