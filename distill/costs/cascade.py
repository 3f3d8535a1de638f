"""The cascade at every threshold: quality, cost and latency of handing unsure requests to the teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill.costs.inputs import HeldoutRow
from distill.costs.serving import cascade_cost_per_1k_usd

MAX_POINTS = 101

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CascadePoint:
    """The cascade at one threshold; None is unknown. `threshold` None: the teacher answers everything.

    Latencies are over the `timed_rows` whose answers were timed one at a time.
    """

    threshold: float | None
    escalation_rate: float
    accuracy: float | None
    per_1k_usd: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    timed_rows: int = 0


def is_escalated(row: HeldoutRow, threshold: float | None) -> bool:
    """Tell whether the teacher answers: always where the student does not say how sure it is."""
    return threshold is not None and (row.confidence is None or row.confidence < threshold)


def cascade_curve(
    rows: Sequence[HeldoutRow], student_per_1k_usd: float | None, teacher_per_1k_usd: float | None
) -> tuple[CascadePoint, ...]:
    """Measure the cascade at up to 101 thresholds between "student always" and "teacher always".

    The curve is for reading, drawn on held-out rows; a threshold is chosen on validation, never from it.
    """
    confidences = sorted({row.confidence for row in rows if row.confidence is not None})
    if not confidences:
        return ()
    picked = np.linspace(0, len(confidences) - 1, min(MAX_POINTS - 1, len(confidences)))
    thresholds = sorted({confidences[int(index)] for index in picked})
    prices = (student_per_1k_usd, teacher_per_1k_usd)
    return (*(measure_cascade(rows, t, *prices) for t in thresholds), measure_cascade(rows, math.inf, *prices))


def measure_cascade(
    rows: Sequence[HeldoutRow],
    threshold: float | None,
    student_per_1k_usd: float | None,
    teacher_per_1k_usd: float | None,
) -> CascadePoint:
    """Measure the cascade at one threshold; infinity hands every request on.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("a cascade cannot be measured on no rows")
    escalated = [is_escalated(row, threshold) for row in rows]
    rate = sum(escalated) / len(rows)
    latencies = _latencies(rows, escalated)
    return CascadePoint(
        threshold=None if threshold is None or math.isinf(threshold) else threshold,
        escalation_rate=rate,
        accuracy=_accuracy(rows, escalated),
        per_1k_usd=cascade_cost_per_1k_usd(student_per_1k_usd, teacher_per_1k_usd, rate),
        mean_ms=None if latencies is None else float(latencies.mean()),
        p50_ms=None if latencies is None else float(np.percentile(latencies, 50)),
        p95_ms=None if latencies is None else float(np.percentile(latencies, 95)),
        timed_rows=0 if latencies is None else len(latencies),
    )


def _accuracy(rows: Sequence[HeldoutRow], escalated: Sequence[bool]) -> float | None:
    right = [row.teacher_correct if up else row.student_correct for row, up in zip(rows, escalated, strict=True)]
    known = [value for value in right if value is not None]
    return sum(known) / len(known) if len(known) == len(right) else None


def _latencies(rows: Sequence[HeldoutRow], escalated: Sequence[bool]) -> Floats | None:
    """Return the latency of the timed rows; None where an answer that would be needed was never timed."""
    timed = [(row, up) for row, up in zip(rows, escalated, strict=True) if row.student_latency_ms is not None]
    if not timed or any(up and row.teacher_latency_ms is None for row, up in timed):
        return None
    return np.array(
        [(row.student_latency_ms or 0.0) + (row.teacher_latency_ms or 0.0 if up else 0.0) for row, up in timed]
    )
