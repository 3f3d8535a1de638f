"""Metrics of a whole set (macro-F1, BLEU, ECE): a function of summed per-example vectors, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """`vectorise` gives one (n, K) matrix per system over shared columns, and what turns sums into values."""

    name: str
    vectorise: Vectorise
    unit: str = "fraction"
    higher_is_better: bool = True
    per_item: Callable[[Prediction], float | None] | None = None
    keep: Callable[[Prediction], bool] | None = None
    kind: Kind = "corpus"
    q: float | None = None

    def item(self, prediction: Prediction) -> float | None:
        return None if self.per_item is None else self.per_item(prediction)

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        return self.vectorise(systems)

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        chosen = [p for p in predictions if self.keep is None or self.keep(p)]
        n = len({p.id for p in chosen})
        if n == 0:
            return Score(self.name, None, None, None, 0, self.unit, "nothing was measured")
        (matrix,), combine = self.vectorise([chosen])
        value = float(combine(matrix.sum(axis=0, keepdims=True))[0])
        if n < _MIN_ROWS:
            return Score(self.name, value, None, None, n, self.unit, f"under {_MIN_ROWS} rows: no interval")
        clusters = [p.cluster or p.id for p in chosen]
        units = clusters if have_repeats(clusters) else None
        low, high = percentile_interval(combine(bootstrap_sums(matrix, RESAMPLES, 0, units)), confidence)
        return Score(self.name, value, min(low, value), max(high, value), n, self.unit)
