"""Metrics of a whole set (macro-F1, BLEU, ECE): a function of summed per-example vectors, with a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distill.metrics.item_metric import average, refuse_nan
from distill.metrics.protocol import Combine, Floats, Kind
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.statistics.bootstrap import bootstrap_sums, percentile_interval
from distill.statistics.clusters import have_repeats

RESAMPLES = 2000
_MIN_ROWS = 10

Vectorise = Callable[[Sequence[Sequence[Prediction]]], tuple[list[Floats], Combine]]


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """`vectorise` gives one (n, K) matrix per system over shared columns, and what turns sums into values.

    `keep` names the rows that can be measured at all; `reflect` turns the resamples about the estimate, for figures
    that resampling itself pushes up (ECE); `describe` adds what a reader must know.
    """

    name: str
    vectorise: Vectorise
    unit: str = "fraction"
    higher_is_better: bool = True
    per_item: Callable[[Prediction], float | None] | None = None
    keep: Callable[[Prediction], bool] | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    reflect: bool = False
    describe: Callable[[Sequence[Prediction]], str] | None = None
    kind: Kind = "corpus"
    q: float | None = None

    def item(self, prediction: Prediction) -> float | None:
        return None if self.per_item is None else self.per_item(prediction)

    def is_measured(self, prediction: Prediction) -> bool:
        return self.keep is None or self.keep(prediction)

    def over_repeats(self, values: Sequence[float]) -> float | None:
        return average(values)

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        return self.vectorise(systems)

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        chosen = [p for p in predictions if self.keep is None or self.keep(p)]
        n = len({p.id for p in chosen})
        if n == 0:
            return Score(self.name, None, None, None, 0, self.unit, "nothing was measured")
        (matrix,), combine = self.vectorise([chosen])
        value = float(combine(matrix.sum(axis=0, keepdims=True))[0])
        if not (np.isfinite(matrix).all() and math.isfinite(value)):
            return refuse_nan(self.name, self.unit, int((~np.isfinite(matrix)).any(axis=1).sum()))
        note = "" if self.describe is None else self.describe(chosen)
        if n < _MIN_ROWS:
            return Score(self.name, value, None, None, n, self.unit, f"under {_MIN_ROWS} rows: no interval")
        clusters = [p.cluster or p.id for p in chosen]
        units = clusters if have_repeats(clusters) else None
        draws = combine(bootstrap_sums(matrix, RESAMPLES, 0, units))
        low, high = percentile_interval(2 * value - draws if self.reflect else draws, confidence)
        low, high = max(self.bounds[0], min(low, value)), min(self.bounds[1], max(high, value))
        return Score(self.name, value, low, high, n, self.unit, note)


def metric_of_counts(
    name: str,
    count: Callable[[Sequence[Sequence[Prediction]]], tuple[list[Floats], int]],
    from_sums: Callable[[Floats, int], Floats],
    per_item: Callable[[Prediction], float | None],
) -> CorpusMetric:
    """Make a metric of counts per class: `count` gives (n, 3L) matrices and L, `from_sums` values (R,) from (R, 3L)."""

    def vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        matrices, L = count(systems)
        return matrices, lambda sums: from_sums(sums, L)

    return CorpusMetric(name, vectorise, per_item=per_item)
