"""Cold latency: loading the student and its first answer, over the starts that the evaluation made.

A start is no held-out row, so no prediction carries it: only a rule of the gate can ask for these.
"""

from __future__ import annotations

from distill.metrics.quantile_metric import QuantileMetric

COLD_P50_LATENCY = QuantileMetric("cold_p50_latency_ms", lambda _: None, 0.50)
COLD_P95_LATENCY = QuantileMetric("cold_p95_latency_ms", lambda _: None, 0.95)
