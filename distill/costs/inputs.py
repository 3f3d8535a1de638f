"""What the cost comparison is made of: measured rows and times, nothing assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from distill.costs.ledger import LedgerEntry, TeacherLedger

NOTHING_BOUGHT = TeacherLedger(usd=0.0, wasted_usd=0.0)


@dataclass(frozen=True, slots=True)
class HeldoutRow:
    """One held-out example as student and teacher answered it; None is unknown.

    A student answer that failed has no confidence: a cascade hands it on.

    `confidence` is the student's, in [0, 1]; latencies are of one answer, in ms.
    """

    student_correct: bool
    teacher_correct: bool | None = None
    confidence: float | None = None
    student_latency_ms: float | None = None
    teacher_latency_ms: float | None = None
    teacher_input_tokens: int | None = None
    teacher_output_tokens: int | None = None
    teacher_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class CostInputs:
    """Everything measured that the costs of a run stand on.

    `threshold` is the confidence from which the student answers (None: it answers everything; infinity: nothing);
    `teacher` is the reference teacher, `others` answered only rows that are trained on; `heldout` is what the
    reference teacher's held-out answers cost; `extra` holds further ledger lines (judges, rivals);
    `paid_usd` is the part of all teacher dollars that this very run paid (None: unknown), the rest was bought
    before and came from the journal; `warnings` are passed on.
    """

    teacher: TeacherLedger
    rows: tuple[HeldoutRow, ...]
    throughput_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    training_s: float | None = None
    evaluation_s: float | None = None
    heldout: TeacherLedger = NOTHING_BOUGHT
    paid_usd: float | None = None
    threshold: float | None = None
    others: tuple[TeacherLedger, ...] = ()
    extra: tuple[LedgerEntry, ...] = ()
    warnings: tuple[str, ...] = ()


def rows_from_predictions(predictions: pa.Table) -> tuple[HeldoutRow, ...]:
    """Join the student's and the teacher's first answers on each held-out example, in order of id.

    Args:
        predictions: a table under `records.tables.PREDICTIONS`.
    """
    by_id: dict[str, dict[str, Mapping[str, object]]] = {}
    for row in cast("list[dict[str, object]]", predictions.to_pylist()):
        if row["repeat"] == 0:
            by_id.setdefault(cast("str", row["id"]), {})[cast("str", row["system"])] = row
    pairs = (by_id[key] for key in sorted(by_id) if "student" in by_id[key])
    return tuple(_join(pair["student"], pair.get("teacher")) for pair in pairs)


def _join(student: Mapping[str, object], teacher: Mapping[str, object] | None) -> HeldoutRow:
    found: Mapping[str, object] = teacher or {}
    return HeldoutRow(
        student_correct=bool(student["correct"]),
        teacher_correct=cast("bool | None", found.get("correct")),
        confidence=None if student["error_kind"] is not None else cast("float | None", student["confidence"]),
        student_latency_ms=cast("float | None", student["latency_ms"]),
        teacher_latency_ms=cast("float | None", found.get("latency_ms")),
        teacher_input_tokens=cast("int | None", found.get("input_tokens")),
        teacher_output_tokens=cast("int | None", found.get("output_tokens")),
        teacher_cost_usd=cast("float | None", found.get("cost_usd")),
    )
