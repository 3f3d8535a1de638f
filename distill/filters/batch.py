"""A run of order-free filters over one batch of rows: what a worker does, here or on another machine.

What goes in is a table, what comes out names only rows that were dropped or changed, so it is small and its order is
that of the rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from distill.engine.shards import Shards, read_all
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.spec import FilterSpec
from distill.records.verdict import Verdict


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


RowEngine = Callable[[Shards, Sequence[FilterSpec], FilterContext], Iterable[Judged]]
"""Judges each shard by order-free filters that need no service; yields what it found shard by shard, in their order."""


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


def columns_of(specs: Sequence[FilterSpec]) -> list[str]:
    """Return the columns that filters read; an id tells how many rows there are when they read none."""
    return sorted({"id"}.union(*(spec.member.columns for spec in specs)))


def judge_locally(shards: Shards, specs: Sequence[FilterSpec], context: FilterContext) -> Iterable[Judged]:
    """Judge shard after shard in this process.

    Raises:
        DataError: what a filter guards does not hold.
    """
    columns = columns_of(specs)
    for number in range(len(shards)):
        yield judge_batch(shards.read(number, columns), specs, context)


def judge_whole(shards: Shards, spec: FilterSpec, context: FilterContext) -> Iterable[Judged]:
    """Judge all rows together, by the columns that the filter reads; yield what it found shard by shard.

    Raises:
        DataError: what a filter guards does not hold.
    """
    tables = list(read_all(shards, columns_of([spec])))
    sizes = [table.num_rows for table in tables]
    found = judge_batch(pa.concat_tables(tables), [spec], context)
    marks = deque(found.marks)
    start = 0
    for rows in sizes:
        mine: list[Mark] = []
        while marks and marks[0].row < start + rows:
            mark = marks.popleft()
            mine.append(mark._replace(row=mark.row - start))
        yield Judged(rows, mine)
        start += rows
    yield Judged(0, [], found.seconds, found.notes, found.usd)
