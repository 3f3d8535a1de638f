"""Brier score: the mean squared gap between confidence and outcome; 0 is best, .25 is a coin that knows it."""

from __future__ import annotations

from distill.metrics.accuracy import is_right
from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction


def squared_gap(prediction: Prediction) -> float | None:
    """Return (confidence - right)^2; None where the system gives no confidence."""
    return None if prediction.confidence is None else (prediction.confidence - is_right(prediction)) ** 2


BRIER = ItemMetric("brier", squared_gap, higher_is_better=False)
