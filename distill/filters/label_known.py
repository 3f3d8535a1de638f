"""`label_known`: drops answers outside the task's labels and lists them with counts: often the prompt is wrong."""

from __future__ import annotations

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_one_of
from distill.records.verdict import KEEP, Verdict


def _label_known(_: object, answer: str | None, error: str | None) -> Verdict:
    return Verdict(False, "unknown_label", cut(answer)) if error == "unknown_label" else KEEP


def _suspects(_: object, rows: Rows) -> Mask:
    return is_one_of(rows, "parse_error", "unknown_label")


LABEL_KNOWN = RowFilter(
    "label_known", 1, ("answer", "parse_error"), _label_known, tallies=("unknown_label",), screen=_suspects
)
