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
    "label": ("accuracy", "macro_f1", "balanced_accuracy"),
    "labels": ("accuracy", "mean_score"),
    "json": ("accuracy", "mean_score"),
    "answer": ("accuracy", "mean_score"),
    "text": ("mean_score", "accuracy"),
}
_ALWAYS = ("failure_rate", "p50_latency_ms", "p95_latency_ms", "cost_per_1k_usd")


class _Table(Mapping[str, "Metric"]):
    """Name -> metric; a name costs nothing, a metric its module's import."""

    def __getitem__(self, name: str) -> Metric:
        module, _, attribute = _LISTED[name].partition(":")
        return getattr(import_module(f"distill.metrics.{module}"), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(_LISTED)

    def __len__(self) -> int:
        return len(_LISTED)


METRICS: Mapping[str, Metric] = _Table()


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
