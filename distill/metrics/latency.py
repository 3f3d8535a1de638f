"""Latency: the 50th, 95th and 99th percentile of the time of one answer, in milliseconds, over measured rows."""

from __future__ import annotations

from distill.metrics.quantile_metric import QuantileMetric
from distill.records.prediction import Prediction


def latency_of(prediction: Prediction) -> float | None:
    """Return the time of this answer in ms; None where it was not measured."""
    return prediction.latency_ms


P50_LATENCY = QuantileMetric("p50_latency_ms", latency_of, 0.50)
P95_LATENCY = QuantileMetric("p95_latency_ms", latency_of, 0.95)
P99_LATENCY = QuantileMetric("p99_latency_ms", latency_of, 0.99)
