"""The project's metrics as Hugging Face `evaluate` modules, usable with `evaluate.combine([...])` and no network.

`evaluate.load(name)` fetches code from the hub; these are plain classes, made by name: `hf_metric("field_f1")`. Import
this module only where `evaluate` is wanted: it costs seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import datasets
import evaluate

from distill.errors import UsageError
from distill.metrics import METRICS
from distill.records.json import Json, load_strict
from distill.records.prediction import Prediction

Form = Literal["text", "json", "confidence", "samples"]

FORMS: dict[str, Form] = {
    **dict.fromkeys(("accuracy", "macro_f1", "balanced_accuracy", "failure_rate", "empty_rate"), "text"),
    **dict.fromkeys(("exact_match", "exact_match_raw", "exact_match_numeric"), "text"),
    **dict.fromkeys(("token_f1", "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf"), "text"),
    **dict.fromkeys(("multilabel_micro_f1", "multilabel_macro_f1", "json_valid_rate"), "json"),
    **dict.fromkeys(("field_precision", "field_recall", "field_f1", "exact_object"), "json"),
    **dict.fromkeys(("brier", "ece"), "confidence"),
    **dict.fromkeys(("pass_at_1", "pass_at_2", "pass_at_5", "pass_at_10"), "samples"),
}
"""Metric -> what its `compute` takes. Metrics of time, price, tokens, judges and log-probabilities are not functions of
answers and references, and are left to the pipeline."""

_TEXT = datasets.Value("string")
_FEATURES: dict[Form, dict[str, Any]] = {
    "text": {"predictions": _TEXT, "references": _TEXT},
    "json": {"predictions": _TEXT, "references": _TEXT},
    "confidence": {"predictions": _TEXT, "references": _TEXT, "confidences": datasets.Value("float64")},
    "samples": {"predictions": datasets.List(_TEXT), "references": _TEXT},
}


class DistillMetric(evaluate.Metric):
    """A metric of this project over answers and references; an empty answer is a failure, and wrong."""

    metric: ClassVar[str]

    def _info(self) -> evaluate.MetricInfo:
        form = FORMS[self.metric]
        return evaluate.MetricInfo(
            description=f"{self.metric} with its 95% interval",
            citation="distill: a gate that is right about what it says",
            inputs_description=f"lists of one length: {', '.join(_FEATURES[form])}",
            features=datasets.Features(_FEATURES[form]),
        )

    def _compute(  # pyright: ignore[reportIncompatibleMethodOverride] evaluate passes all, always by name
        self,
        *,
        predictions: Sequence[Any],
        references: Sequence[str],
        confidences: Sequence[float] | None = None,
        **_: object,
    ) -> dict[str, float | None]:
        form = FORMS[self.metric]
        sure: Iterable[float | None] = [None] * len(references) if confidences is None else confidences
        rows = [
            _to_prediction(index, repeat, answer, reference, confidence, form)
            for index, (given, reference, confidence) in enumerate(zip(predictions, references, sure, strict=True))
            for repeat, answer in enumerate(given if form == "samples" else [given])
        ]
        score = METRICS[self.metric].aggregate(rows)
        return {self.metric: score.value, f"{self.metric}_low": score.low, f"{self.metric}_high": score.high}


def hf_metric(name: str, **options: Any) -> evaluate.Metric:  # noqa: ANN401 - evaluate.Metric's own options
    """Return the metric `name` as an `evaluate` module; `options` go to `evaluate.Metric` (e.g. cache_dir).

    Raises:
        UsageError: the name is unknown, or the metric is not a function of answers and references.
    """
    if name not in FORMS:
        raise UsageError(f"{name!r} cannot be had as an evaluate module; these can: {', '.join(sorted(FORMS))}")
    return type(f"Distill_{name}", (DistillMetric,), {"metric": name})(**options)


def _to_prediction(
    index: int, repeat: int, answer: str, reference: str, confidence: float | None, form: Form
) -> Prediction:
    parsed, error = _read(answer, form)
    wanted = _read(reference, form)[0]
    right = error is None and parsed == wanted
    return Prediction(
        id=str(index), system="student", repeat=repeat, text=answer, parsed=parsed, correct=right, score=float(right),
        confidence=confidence, error_kind=error, latency_ms=None, input_tokens=None, output_tokens=None, cost_usd=None,
        reference=wanted,
    )  # fmt: skip


def _read(text: str, form: Form) -> tuple[Json, str | None]:
    if not text:
        return None, "empty"
    if form != "json":
        return text, None
    try:
        return load_strict(text), None
    except ValueError:
        return None, "unparseable"


class DistillAccuracy(DistillMetric):
    """Accuracy."""

    metric = "accuracy"


class DistillMacroF1(DistillMetric):
    """Macro-F1 over the labels of references and answers."""

    metric = "macro_f1"


class DistillFailureRate(DistillMetric):
    """Share of answers that could not be used."""

    metric = "failure_rate"
