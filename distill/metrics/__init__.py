"""The metrics: one table, listed by hand. A metric's module is imported when it is first looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from distill.errors import UsageError
from distill.tasks.config import OutputKind

if TYPE_CHECKING:
    from distill.metrics.protocol import Metric

_LISTED: dict[str, str] = {
    "accuracy": "accuracy:ACCURACY",
    "macro_f1": "classification:MACRO_F1",
    "balanced_accuracy": "classification:BALANCED_ACCURACY",
    "mean_score": "mean_score:MEAN_SCORE",
    "exact_match": "exact_match:EXACT_MATCH",
    "exact_match_raw": "exact_match:EXACT_MATCH_RAW",
    "exact_match_numeric": "exact_match:EXACT_MATCH_NUMERIC",
    "multilabel_micro_f1": "multilabel:MULTILABEL_MICRO_F1",
    "multilabel_macro_f1": "multilabel:MULTILABEL_MACRO_F1",
    "json_valid_rate": "json_validity:JSON_VALID_RATE",
    "schema_valid_rate": "json_validity:SCHEMA_VALID_RATE",
    "field_precision": "fields:FIELD_PRECISION",
    "field_recall": "fields:FIELD_RECALL",
    "field_f1": "fields:FIELD_F1",
    "exact_object": "fields:EXACT_OBJECT",
    "token_f1": "token_f1:TOKEN_F1",
    "rouge_1": "rouge:ROUGE_1",
    "rouge_2": "rouge:ROUGE_2",
    "rouge_l": "rouge:ROUGE_L",
    "bleu": "bleu:BLEU",
    "chrf": "chrf:CHRF",
    "pass_at_1": "pass_at_k:PASS_AT_1",
    "pass_at_2": "pass_at_k:PASS_AT_2",
    "pass_at_5": "pass_at_k:PASS_AT_5",
    "pass_at_10": "pass_at_k:PASS_AT_10",
    "judge_win_rate": "win_rate:JUDGE_WIN_RATE",
    "perplexity": "perplexity:PERPLEXITY",
    "brier": "brier:BRIER",
    "ece": "ece:ECE",
    "failure_rate": "failures:FAILURE_RATE",
    "empty_rate": "failures:EMPTY_RATE",
    "unparseable_rate": "failures:UNPARSEABLE_RATE",
    "unknown_label_rate": "failures:UNKNOWN_LABEL_RATE",
    "schema_invalid_rate": "failures:SCHEMA_INVALID_RATE",
    "refusal_rate": "failures:REFUSAL_RATE",
    "timeout_rate": "failures:TIMEOUT_RATE",
    "truncated_rate": "failures:TRUNCATED_RATE",
    "p50_latency_ms": "latency:P50_LATENCY",
    "p95_latency_ms": "latency:P95_LATENCY",
    "p99_latency_ms": "latency:P99_LATENCY",
    "cost_per_1k_usd": "usage:COST_PER_1K",
    "input_tokens": "usage:INPUT_TOKENS",
    "output_tokens": "usage:OUTPUT_TOKENS",
}

_DEFAULTS: dict[OutputKind, tuple[str, ...]] = {
    "label": ("accuracy", "macro_f1", "balanced_accuracy", "brier", "ece"),
    "labels": ("accuracy", "mean_score", "multilabel_micro_f1", "multilabel_macro_f1"),
    "json": (
        "accuracy", "exact_object", "field_f1", "field_precision", "field_recall",
        "json_valid_rate", "schema_valid_rate",
    ),
    "answer": ("accuracy", "exact_match", "exact_match_raw", "token_f1"),
    "text": ("mean_score", "accuracy", "token_f1", "rouge_l"),
}  # fmt: skip
_ALWAYS = ("failure_rate", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "cost_per_1k_usd")
NEEDS_TEXT_EXTRA = frozenset({"bleu", "chrf"})


class _Table(Mapping[str, "Metric"]):
    """Name -> metric; a name costs nothing, a metric its module's import."""

    def __init__(self, listed: Mapping[str, str]) -> None:
        self._listed = listed

    def __getitem__(self, name: str) -> Metric:
        module, _, attribute = self._listed[name].partition(":")
        return getattr(import_module(f"distill.metrics.{module}"), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)


METRICS: Mapping[str, Metric] = _Table(_LISTED)
COLD = {"cold_p50_latency_ms": "cold:COLD_P50_LATENCY", "cold_p95_latency_ms": "cold:COLD_P95_LATENCY"}
GATE_METRICS: Mapping[str, Metric] = _Table(_LISTED | {"parity": "parity:PARITY"} | COLD)
"""What a rule may name: the metrics, and what is measured of the student apart from the held-out rows."""


def default_metrics(output: OutputKind) -> tuple[str, ...]:
    """Return the metric names shown for an output kind when the config names none."""
    return _DEFAULTS[output] + _ALWAYS


def get_metric(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        UsageError: there is no metric of that name.
    """
    if name not in _LISTED:
        raise UsageError(f"no metric {name!r}; there are: {', '.join(sorted(_LISTED))}")
    return METRICS[name]
