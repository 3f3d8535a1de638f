"""`exact_duplicate`: drops later rows whose normalised input is that of an earlier row with another id."""

from __future__ import annotations

from distill.filters.base import TableFilter
from distill.filters.copies import find_reason, read_targets
from distill.filters.protocol import FilterContext, Judgement, NoOptions
from distill.filters.rows import Rows
from distill.records.verdict import KEEP, Verdict
from distill.similarity import normalise


def _exact_duplicate(rows: Rows, config: NoOptions, context: FilterContext) -> Judgement:
    """Judge rows in their order; samples of one example are no duplicates of each other."""
    del config, context
    ids, targets = rows.values("id"), read_targets(rows)
    first: dict[str, str] = {}
    owners = {
        identity: first.setdefault(normalise(text), identity)
        for identity, text in zip(ids, rows.strings("text"), strict=True)
    }
    return Judgement(
        [
            KEEP
            if owners[i] == i
            else Verdict(False, find_reason("exact_duplicate", i, owners[i], targets), f"of {owners[i]}")
            for i in ids
        ]
    )


EXACT_DUPLICATE = TableFilter("exact_duplicate", 2, ("id", "text", "target"), _exact_duplicate)
