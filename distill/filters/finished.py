"""`finished`: drops answers that the provider says were cut short or withheld."""

from __future__ import annotations

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_one_of
from distill.records.verdict import KEEP, Verdict


def _finished(_: object, answer: str | None, finish: str | None) -> Verdict:
    if finish in ("length", "content_filter"):
        return Verdict(False, "truncated" if finish == "length" else "content_filter", cut(answer)[-80:])
    return KEEP


def _suspects(_: object, rows: Rows) -> Mask:
    return is_one_of(rows, "finish_reason", "length", "content_filter")


FINISHED = RowFilter("finished", 1, ("answer", "finish_reason"), _finished, screen=_suspects)
