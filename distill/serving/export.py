"""The request log as the next run's data: hard examples first, under the column names that run's config uses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from distill.records.json import Json, dump_canonical
from distill.records.live import Audit, ServedRequest


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What a config calls its columns; None: it has none."""

    id: str | None = "id"
    teacher_output: str = "teacher_output"
    gold: str | None = None
    time: str | None = None
    group: str | None = None
    slices: tuple[str, ...] = ()


def export_rows(
    requests: Sequence[ServedRequest],
    audits: Sequence[Audit],
    path: Path,
    names: ColumnNames = ColumnNames(),
    limit: int | None = None,
) -> int:
    """Write logged requests as a JSON-lines source for `distill run`, hard examples first; return the rows.

    Hard: the teacher disagreed, then the student failed, then low confidence first. Each distinct input comes once,
    in its hardest form. A row has the task's columns, the teacher's answer where there is one, and `student_answer`,
    `confidence`, `served_by`, `reason`, `times_asked` beside the columns the config names; gold is null.
    """
    shadow = {audit.request_id: audit for audit in audits if audit.kind == "shadow"}
    usable = [row for row in requests if row.columns is not None]
    asked = Counter(_identify(row) for row in usable)
    written: set[str] = set()
    with path.open("w", encoding="utf-8") as file:
        for row in sorted(usable, key=lambda row: _hardness(row, shadow.get(row.request_id))):
            identity = _identify(row)
            if identity in written or (limit is not None and len(written) >= limit):
                continue
            written.add(identity)
            body = _write_row(row, shadow.get(row.request_id), names) | {"times_asked": asked[identity]}
            file.write(json.dumps(body, ensure_ascii=False) + "\n")
    return len(written)


def _hardness(row: ServedRequest, audit: Audit | None) -> tuple[bool, bool, float, int]:
    return (audit is None or audit.agreed, row.confidence is not None, row.confidence or 0.0, row.number)


def _identify(row: ServedRequest) -> str:
    return dump_canonical(row.columns)


def _write_row(row: ServedRequest, audit: Audit | None, names: ColumnNames) -> dict[str, Json]:
    taught = audit.teacher_answer if audit else row.answer if row.answered_by == "teacher" else None
    body: dict[str, Json] = {
        "student_answer": row.student_answer, "confidence": row.confidence, "served_by": row.model,
        "reason": row.reason, names.teacher_output: taught,
    }  # fmt: skip
    body |= {name: row.slices.get(name) for name in names.slices} | dict(row.slices)
    declared: Mapping[str | None, Json] = {
        names.id: row.request_id,
        names.gold: None,
        names.group: row.slices.get(names.group or ""),
        names.time: datetime.fromtimestamp(row.time, UTC).isoformat(),
    }
    body |= {name: value for name, value in declared.items() if name is not None}
    return body | dict(row.columns or {})
