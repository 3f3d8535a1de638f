"""Accuracy: the share of examples that are right by the task's own comparison."""

from __future__ import annotations

from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction


def is_right(prediction: Prediction) -> float:
    """Return 1 for a right answer, 0 for a wrong or missing one."""
    return 1.0 if prediction.correct and prediction.error_kind is None else 0.0


ACCURACY = ItemMetric("accuracy", is_right)
