"""What answers use up: dollars per thousand requests, and tokens. An unknown price stays unknown, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distill.metrics.item_metric import ItemMetric
from distill.metrics.protocol import Combine, Floats, Kind
from distill.records.prediction import Prediction
from distill.records.score import Score


def cost_of(prediction: Prediction) -> float | None:
    """Return the price of this answer in USD; None when unknown."""
    return prediction.cost_usd


@dataclass(frozen=True, slots=True)
class CostMetric:
    """USD per 1,000 requests; one unknown price makes the whole unknown."""

    name: str = "cost_per_1k_usd"
    unit: str = "usd"
    higher_is_better: bool = False
    kind: Kind = "mean"
    q: float | None = None

    def item(self, prediction: Prediction) -> float | None:
        return None if prediction.cost_usd is None else 1000 * prediction.cost_usd

    def is_measured(self, prediction: Prediction) -> bool:
        return prediction.cost_usd is not None

    def over_repeats(self, values: Sequence[float]) -> float | None:
        return _MEAN.over_repeats(values)

    def vectors(self, systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        return _MEAN.vectors(systems)

    def aggregate(self, predictions: Sequence[Prediction], confidence: float = 0.95) -> Score:
        unknown = sum(p.cost_usd is None for p in predictions)
        if unknown or not predictions:
            note = f"the price of {unknown} of {len(predictions)} answers is unknown"
            return Score(self.name, None, None, None, 0, self.unit, note)
        return _MEAN.aggregate(predictions, confidence)


_MEAN = ItemMetric("cost_per_1k_usd", cost_of, "usd", higher_is_better=False, factor=1000.0, bounds=None)
COST_PER_1K = CostMetric()
OUTPUT_TOKENS = ItemMetric(
    "output_tokens",
    lambda p: None if p.output_tokens is None else float(p.output_tokens),
    "tokens",
    higher_is_better=False,
    bounds=None,
)
INPUT_TOKENS = ItemMetric(
    "input_tokens",
    lambda p: None if p.input_tokens is None else float(p.input_tokens),
    "tokens",
    higher_is_better=False,
    bounds=None,
)
