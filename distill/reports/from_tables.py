"""Report views computed from the predictions table: answer rows, confusion, calibration."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

import pyarrow as pa

from distill.reports.model import AnswerRow, Calibration, CalibrationBin, Confusion

MAX_CONFUSION_LABELS = 24
MAX_WORST_PAIRS = 12
MAX_LABEL_CHARS = 80
CALIBRATION_BINS = 10
NULL_DRAWS_SQRT = math.sqrt(2 / math.pi)

Row = Mapping[str, object]


def answer_rows(
    predictions: pa.Table, texts: Mapping[str, str], threshold: float | None = None
) -> tuple[AnswerRow, ...]:
    """Join student and teacher on each held-out example (first repeat), in order of id.

    Args:
        predictions: a table under `records.tables.PREDICTIONS`.
        texts: example id -> input text; a missing one shows as empty.
        threshold: confidence from which the student answers; None: it answers everything.
    """
    by_id: dict[str, dict[str, Row]] = {}
    for row in cast("list[dict[str, object]]", predictions.to_pylist()):
        if row["repeat"] == 0:
            by_id.setdefault(cast("str", row["id"]), {})[cast("str", row["system"])] = row
    rows = ((key, by_id[key]) for key in sorted(by_id))
    return tuple(_answer_row(key, texts.get(key, ""), group, threshold) for key, group in rows if "student" in group)


def _answer_row(key: str, text: str, systems: Mapping[str, Row], threshold: float | None) -> AnswerRow:
    student, teacher = systems["student"], systems.get("teacher")
    confidence = cast("float | None", student["confidence"])
    escalated = None
    if threshold is not None:
        escalated = student["error_kind"] is not None or confidence is None or confidence < threshold
    return AnswerRow(
        id=key,
        text=text,
        reference=_plain(cast("str | None", student["reference"])),
        student=_answer_text(student),
        teacher=None if teacher is None else _answer_text(teacher),
        student_correct=bool(student["correct"]),
        teacher_correct=None if teacher is None else bool(teacher["correct"]),
        confidence=confidence,
        escalated=escalated,
        error_kind=cast("str | None", student["error_kind"]),
        slices=dict(cast("list[tuple[str, str]]", student["slices"] or [])),
    )


def _answer_text(row: Row) -> str:
    parsed = _plain(cast("str | None", row["parsed"]))
    return parsed if parsed is not None else cast("str", row["text"] or "")


def _plain(value_json: str | None) -> str | None:
    """Show a JSON string as its text, anything else as JSON."""
    if value_json is None:
        return None
    try:
        value = cast("object", json.loads(value_json))
    except ValueError:
        return value_json
    return value if isinstance(value, str) else value_json


def confusion_of(rows: Sequence[AnswerRow]) -> Confusion | None:
    """Count references against the student's answers; None where answers are not labels.

    With many labels, those with the most mistakes are shown (24 at most).
    """
    pairs = Counter((row.reference, row.student) for row in rows if row.reference is not None)
    references = Counter(reference for reference, _ in pairs.elements())
    looks_like_labels = references and len(references) <= max(2, len(rows) // 3)
    if not looks_like_labels or any(len(name) > MAX_LABEL_CHARS for name in references):
        return None
    wrong = Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]})
    mistakes: Counter[str] = Counter()
    for (reference, answer), count in wrong.items():
        mistakes[reference] += count
        if answer in references:
            mistakes[answer] += count
    shown = sorted(sorted(references, key=lambda name: (-mistakes[name], name))[:MAX_CONFUSION_LABELS])
    counts = tuple(tuple(pairs[(row, column)] for column in shown) for row in shown)
    worst = sorted(wrong.items(), key=lambda item: (-item[1], str(item[0])))[:MAX_WORST_PAIRS]
    worst_pairs = tuple((reference, answer, count) for (reference, answer), count in worst)
    return Confusion(tuple(shown), counts, len(references), worst_pairs)


def calibration_of(rows: Sequence[AnswerRow]) -> Calibration | None:
    """Compare the student's confidence with how often it is right, in ten bins of equal width.

    `ece_null` is what a perfectly calibrated student shows on average with these bins (normal approximation of the
    absolute deviation of a binomial share). None where no confidence is given.
    """
    scored = [(row.confidence, row.student_correct) for row in rows if row.confidence is not None]
    if not scored:
        return None
    bins: list[CalibrationBin] = []
    for index in range(CALIBRATION_BINS):
        members = [(c, ok) for c, ok in scored if min(int(c * CALIBRATION_BINS), CALIBRATION_BINS - 1) == index]
        if members:
            bins.append(_bin(index, members))
    n = len(scored)
    ece = sum(b.n / n * abs(b.mean_confidence - b.accuracy) for b in bins)
    null = sum(b.n / n * math.sqrt(b.mean_confidence * (1 - b.mean_confidence) / b.n) for b in bins) * NULL_DRAWS_SQRT
    brier = sum((c - ok) ** 2 for c, ok in scored) / n
    return Calibration(tuple(bins), n, ece, null, brier)


def _bin(index: int, members: Sequence[tuple[float, bool]]) -> CalibrationBin:
    from distill.statistics.proportions import wilson_interval  # noqa: PLC0415 scipy: an idle run must not wait for it

    n = len(members)
    right = sum(ok for _, ok in members)
    low, high = wilson_interval(right, n)
    return CalibrationBin(
        low=index / CALIBRATION_BINS,
        high=(index + 1) / CALIBRATION_BINS,
        n=n,
        mean_confidence=sum(c for c, _ in members) / n,
        accuracy=right / n,
        accuracy_low=low,
        accuracy_high=high,
    )
