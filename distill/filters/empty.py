"""`empty`: drops answers of nothing but white space."""

from __future__ import annotations

from distill.filters.base import RowFilter
from distill.filters.rows import Rows
from distill.filters.screens import Mask, has_ink
from distill.records.verdict import KEEP, Verdict

_EMPTY = Verdict(False, "empty")


def _empty(_: object, answer: str | None) -> Verdict:
    return KEEP if answer and not answer.isspace() else _EMPTY


def _suspects(_: object, rows: Rows) -> Mask:
    return ~has_ink(rows, "answer")


EMPTY = RowFilter("empty", 1, ("answer",), _empty, screen=_suspects)
