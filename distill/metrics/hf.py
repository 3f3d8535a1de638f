"""The project's metrics as Hugging Face `evaluate` modules, usable with `evaluate.combine([...])` and no network.

`evaluate.load(name)` fetches code from the hub; these are plain classes. Import this module only where `evaluate` is
wanted: it costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import datasets
import evaluate

from distill.metrics import METRICS
from distill.records.prediction import Prediction

_CITATION = "distill: a gate that is right about what it says"


class LabelMetric(evaluate.Metric):
    """A metric of this project over answer and reference strings; an empty answer is a failure, and wrong."""

    metric: ClassVar[str]

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})
        return evaluate.MetricInfo(
            description=f"{self.metric} with its 95% interval",
            citation=_CITATION,
            inputs_description="predictions and references: lists of str of one length",
            features=features,
        )

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride] evaluate passes both, always by name
        self, *, predictions: Sequence[str], references: Sequence[str], **_: object
    ) -> dict[str, float | None]:
        pairs = zip(predictions, references, strict=True)
        rows = [_to_prediction(index, answer, reference) for index, (answer, reference) in enumerate(pairs)]
        score = METRICS[self.metric].aggregate(rows)
        return {self.metric: score.value, f"{self.metric}_low": score.low, f"{self.metric}_high": score.high}


def _to_prediction(index: int, answer: str, reference: str) -> Prediction:
    right = answer == reference
    return Prediction(
        id=str(index), system="student", repeat=0, text=answer, parsed=answer or None, correct=right,
        score=float(right), confidence=None, error_kind=None if answer else "empty", latency_ms=None,
        input_tokens=None, output_tokens=None, cost_usd=None, reference=reference,
    )  # fmt: skip


class DistillAccuracy(LabelMetric):
    """Accuracy."""

    metric = "accuracy"


class DistillMacroF1(LabelMetric):
    """Macro-F1 over the labels of references and answers."""

    metric = "macro_f1"


class DistillFailureRate(LabelMetric):
    """Share of answers that could not be used."""

    metric = "failure_rate"
