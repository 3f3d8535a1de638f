"""Is the answer JSON at all, and does it meet the schema? A call that failed is neither."""

from __future__ import annotations

from distill.metrics.item_metric import ItemMetric
from distill.records.prediction import Prediction


def is_json(prediction: Prediction) -> float:
    """Return 1 where the answer is JSON, whatever its shape."""
    return float(prediction.error_kind in (None, "schema_invalid"))


def meets_schema(prediction: Prediction) -> float:
    """Return 1 where the answer is JSON that the task's schema allows."""
    return float(prediction.error_kind is None)


JSON_VALID_RATE = ItemMetric("json_valid_rate", is_json)
SCHEMA_VALID_RATE = ItemMetric("schema_valid_rate", meets_schema)
