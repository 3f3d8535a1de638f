"""`parseable`: drops answers that the output kind cannot read, and calls that brought none."""

from __future__ import annotations

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_given
from distill.records.verdict import KEEP, Verdict


def _parseable(_: object, answer: str | None, error: str | None, call: str | None) -> Verdict:
    if call is not None:
        return Verdict(False, f"call_{call}", cut(answer))
    return KEEP if error is None else Verdict(False, error, cut(answer))


def did_not_parse(_: object, rows: Rows) -> Mask:
    """Return which rows have no answer that could be read."""
    return is_given(rows, "parse_error") | is_given(rows, "error_kind")


PARSEABLE = RowFilter("parseable", 1, ("answer", "parse_error", "error_kind"), _parseable, screen=did_not_parse)
