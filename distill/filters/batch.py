"""A run of order-free filters over one batch of rows: what a worker does, here or on another machine.

What goes in is a table, what comes out names only rows that were dropped or changed, so it is small and its order is
that of the rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.spec import FilterSpec
from distill.records.verdict import Verdict

BATCH_ROWS = 16_384


class Mark(NamedTuple):
    """Filter number `step` of the segment dropped or changed row `row` of the batch."""

    row: int
    step: int
    verdict: Verdict


@dataclass(slots=True)
class Judged:
    """What the filters of a segment did to one batch; lists have one entry per filter."""

    rows: int
    marks: list[Mark] = field(default_factory=list[Mark])
    seconds: list[float] = field(default_factory=list[float])
    notes: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    usd: list[float | None] = field(default_factory=list["float | None"])


RowEngine = Callable[[pa.Table, Sequence[FilterSpec], FilterContext], Iterable[Judged]]
"""Judges a table by order-free filters and yields its batches in the order of the rows."""


def judge_batch(table: pa.Table, specs: Sequence[FilterSpec], context: FilterContext) -> Judged:
    """Judge one batch by each filter in turn; a dropped row is not seen by later ones.

    Raises:
        DataError: what a filter guards does not hold.
    """
    rows = Rows(table)
    places = list(range(table.num_rows))
    judged = Judged(table.num_rows)
    for step, spec in enumerate(specs):
        started = time.perf_counter()
        verdicts, notes, usd = spec.member.judge(rows, spec.config, context)
        marked = [place for place, verdict in enumerate(verdicts) if not verdict.keep or verdict.edits]
        if marked:
            judged.marks += [Mark(places[place], step, verdicts[place]) for place in marked]
            changes = {place: edits for place in marked if (edits := verdicts[place].edits)}
            mask = [verdict.keep for verdict in verdicts]
            rows = (rows.edit(changes) if changes else rows).keep(mask)
            places = [place for place, keep in zip(places, mask, strict=True) if keep]
        judged.notes.append(notes)
        judged.usd.append(usd)
        judged.seconds.append(time.perf_counter() - started)
    return judged


def judge_locally(table: pa.Table, specs: Sequence[FilterSpec], context: FilterContext) -> Iterable[Judged]:
    """Judge a table batch by batch in this process.

    Raises:
        DataError: what a filter guards does not hold.
    """
    for start in range(0, table.num_rows, BATCH_ROWS):
        yield judge_batch(table.slice(start, BATCH_ROWS), specs, context)
