"""The evaluation rows inside the page: JSON, deflated, base64. No byte of a row can close a tag or run.

Texts are cut until the payload fits its budget; rows both systems got right go first where even that is too much.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from distill.reports.model import AnswerRow
from distill.reports.wording import clean_text

BUDGET_BYTES = 235_000
TEXT_LIMITS = (4000, 1200, 600, 400, 280, 200, 140, 100)
ANSWER_SHARE = 0.5
MIN_ANSWER_CHARS = 60


@dataclass(frozen=True, slots=True)
class Payload:
    """The packed rows and what had to be left out to fit."""

    base64: str
    rows_shown: int
    rows_total: int
    text_limit: int
    texts_cut: int


def pack_rows(rows: Sequence[AnswerRow], budget_bytes: int = BUDGET_BYTES) -> Payload:
    """Pack rows into at most about `budget_bytes` of base64."""
    packed = ""
    for limit in TEXT_LIMITS:
        packed = _pack(rows, limit)
        if len(packed) <= budget_bytes:
            return _payload(packed, rows, len(rows), limit)
    kept = sorted(rows, key=_is_unremarkable)
    while len(packed) > budget_bytes and kept:
        kept = kept[: min(len(kept) - 1, int(len(kept) * 0.95 * budget_bytes / len(packed)))]
        packed = _pack(kept, TEXT_LIMITS[-1])
    return _payload(packed, rows, len(kept), TEXT_LIMITS[-1])


def _is_unremarkable(row: AnswerRow) -> bool:
    return row.student_correct and row.teacher_correct is not False


def _payload(packed: str, rows: Sequence[AnswerRow], shown: int, limit: int) -> Payload:
    cut = sum(len(row.text) > limit for row in rows)
    return Payload(base64=packed, rows_shown=shown, rows_total=len(rows), text_limit=limit, texts_cut=cut)


def _pack(rows: Sequence[AnswerRow], limit: int) -> str:
    slice_names = sorted({name for row in rows for name in row.slices})
    words = _Words()
    table = [_row(row, limit, slice_names, words) for row in rows]
    body = {"slices": [clean_text(name)[:100] for name in slice_names], "words": words.words, "rows": table}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


class _Words:
    """Answers said once each; rows point at them by number (-1: none)."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._index: dict[str, int] = {}

    def add(self, text: str | None, limit: int) -> int:
        if text is None:
            return -1
        word = _cut(text, limit)
        if word not in self._index:
            self._index[word] = len(self.words)
            self.words.append(word)
        return self._index[word]


def _row(row: AnswerRow, limit: int, slice_names: Sequence[str], words: _Words) -> list[object]:
    answer_limit = max(MIN_ANSWER_CHARS, int(limit * ANSWER_SHARE))
    teacher = 2 if row.teacher_correct is None else int(row.teacher_correct)
    return [
        _cut(row.id, 80),
        _cut(row.text, limit),
        words.add(row.reference, answer_limit),
        words.add(row.student, answer_limit),
        words.add(row.teacher, answer_limit),
        int(row.student_correct),
        teacher,
        None if row.confidence is None else round(row.confidence, 3),
        None if row.escalated is None else int(row.escalated),
        words.add(row.error_kind, 60),
        *(words.add(row.slices.get(name), 60) for name in slice_names),
    ]


def _cut(text: str, limit: int) -> str:
    return clean_text(text) if len(text) <= limit else f"{clean_text(text[:limit])}… [+{len(text) - limit:,}]"
