"""`empty`: drops answers of nothing but white space."""

from __future__ import annotations

from distill.filters.base import RowFilter
from distill.records.verdict import KEEP, Verdict

_EMPTY = Verdict(False, "empty")


def _empty(_: object, answer: str | None) -> Verdict:
    return KEEP if answer and not answer.isspace() else _EMPTY


EMPTY = RowFilter("empty", 1, ("answer",), _empty)
