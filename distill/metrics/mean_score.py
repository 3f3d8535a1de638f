"""Mean score: the task's partial credit in [0, 1], averaged; a failure scores 0."""

from __future__ import annotations

from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction


def score_of(prediction: Prediction) -> float:
    """Return the task's score, 0 where there is no usable answer."""
    return prediction.score if prediction.error_kind is None else 0.0


MEAN_SCORE = ItemMetric("mean_score", score_of)
