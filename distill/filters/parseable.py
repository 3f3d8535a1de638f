"""`parseable`: drops answers that the output kind cannot read, and calls that brought none."""

from __future__ import annotations

from distill.filters.base import RowFilter, cut
from distill.records.verdict import KEEP, Verdict


def _parseable(_: object, answer: str | None, error: str | None, call: str | None) -> Verdict:
    if call is not None:
        return Verdict(False, f"call_{call}", cut(answer))
    return KEEP if error is None else Verdict(False, error, cut(answer))


PARSEABLE = RowFilter("parseable", 1, ("answer", "parse_error", "error_kind"), _parseable)
