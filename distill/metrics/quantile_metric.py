"""Metrics that are a quantile over examples (latency), with an interval from order statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distill.metrics.item_metric import average, mean_by_example, refuse_nan
from distill.metrics.protocol import Combine, Floats, Kind
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.statistics.quantiles import quantile, quantile_interval


@dataclass(frozen=True, slots=True)
class QuantileMetric:
    """The `q`-quantile of `score`; examples where it is None (not measured) are left out and n says so."""

    name: str
    score: Callable[[Prediction], float | None]
    q: float
    unit: str = "ms"
    higher_is_better: bool = False
    kind: Kind = "quantile"

    def item(self, prediction: Prediction) -> float | None:
        return self.score(prediction)

    def is_measured(self, prediction: Prediction) -> bool:
        return self.score(prediction) is not None

    def over_repeats(self, values: Sequence[float]) -> float | None:
        return average(values)

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        """Refuse: a quantile is no function of sums.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"{self.name} is a quantile, not a function of sums")

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        found = mean_by_example(predictions, self.score)[0]
        values = [float(value) for value in found]
        if not values:
            return Score(self.name, None, None, None, 0, self.unit, "nothing was measured")
        if not np.isfinite(found).all():
            return refuse_nan(self.name, self.unit, int((~np.isfinite(found)).sum()))
        low, high = quantile_interval(values, self.q, confidence)
        note = "" if np.isfinite([low, high]).all() else f"{len(values)} rows do not bound this quantile on both sides"
        return Score(
            self.name,
            quantile(values, self.q),
            low if math.isfinite(low) else None,
            high if math.isfinite(high) else None,
            len(values),
            self.unit,
            note,
        )
