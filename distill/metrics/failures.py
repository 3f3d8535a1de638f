"""Failures: the share of examples without a usable answer, altogether and by kind. They also count as wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction


def failed(prediction: Prediction) -> float:
    """Return 1 where there is no usable answer."""
    return 0.0 if prediction.error_kind is None else 1.0


def count_failures(predictions: Sequence[Prediction]) -> dict[str, int]:
    """Count failures by kind, commonest first."""
    return dict(Counter(p.error_kind for p in predictions if p.error_kind is not None).most_common())


def make_kind_metric(kind: str) -> ItemMetric:
    """Return the metric `<kind>_rate`."""
    return ItemMetric(f"{kind}_rate", lambda p: float(p.error_kind == kind), higher_is_better=False)


FAILURE_RATE = ItemMetric("failure_rate", failed, higher_is_better=False)
EMPTY_RATE = make_kind_metric("empty")
UNPARSEABLE_RATE = make_kind_metric("unparseable")
UNKNOWN_LABEL_RATE = make_kind_metric("unknown_label")
SCHEMA_INVALID_RATE = make_kind_metric("schema_invalid")
REFUSAL_RATE = make_kind_metric("refusal")
TIMEOUT_RATE = make_kind_metric("timeout")
TRUNCATED_RATE = make_kind_metric("truncated")
