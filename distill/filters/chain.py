"""The chain: filters in order over rows in shards; what is kept, what was rejected, and a funnel that counts each drop.

Neighbouring order-free filters make one segment, judged shard by shard by an engine, or here where they need a service;
the others see all rows at once, but only the columns that they read. Rows leave their shard as soon as it is judged, so
no more than one is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa

from distill.engine.shards import MemoryShards, Shards, read_all
from distill.engine.spool import MemorySpool, Spool
from distill.filters.batch import Judged, Mark, RowEngine, judge_locally, judge_whole
from distill.filters.funnel import FunnelStep, Paid, StepCount, find_warnings
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.spec import FilterSpec
from distill.records.amounts import add_usd
from distill.records.tables import REJECTED
from distill.records.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a chain took out of shards, in which the kept rows remain.

    `rejected` has one spool per filter, in their order, with filter, reason and evidence added to the rows. `seconds`
    is each filter's time, in the order of the funnel: never part of an artifact's tables.
    """

    rejected: tuple[Spool, ...]
    funnel: tuple[FunnelStep, ...]
    warnings: tuple[str, ...]
    seconds: tuple[float, ...] = ()

    def read_rejected(self) -> Iterable[pa.Table]:
        """Read the rejected rows: filter after filter, each one's in the order of the rows."""
        return (table for spool in self.rejected for table in spool.read())

    @property
    def rejected_rows(self) -> int:
        """How many there are."""
        return sum(step.rows_in - step.rows_out for step in self.funnel)


@dataclass(frozen=True, slots=True)
class ChainResult:
    """`kept` has the candidates' schema and order; `rejected` adds filter, reason and evidence."""

    kept: pa.Table
    rejected: pa.Table
    funnel: tuple[FunnelStep, ...]
    warnings: tuple[str, ...]
    seconds: tuple[float, ...] = ()


def run_chain(
    candidates: pa.Table, specs: Sequence[FilterSpec], context: FilterContext, engine: RowEngine = judge_locally
) -> ChainResult:
    """Judge the rows of a table by each filter in turn; a dropped row is not seen by later ones.

    Raises:
        DataError: what a filter guards does not hold.
    """
    shards = MemoryShards(candidates)
    sifted = sift(shards, specs, context, lambda _: MemorySpool(), engine)
    rejected = pa.concat_tables([REJECTED.empty_table(), *sifted.read_rejected()])
    return ChainResult(shards.to_table(), rejected, sifted.funnel, sifted.warnings, sifted.seconds)


def sift(
    shards: Shards,
    specs: Sequence[FilterSpec],
    context: FilterContext,
    make_spool: Callable[[int], Spool],
    engine: RowEngine = judge_locally,
) -> Sifted:
    """Judge the rows of shards, and take out of them what is dropped; `make_spool(step)` is where that goes.

    Raises:
        DataError: what a filter guards does not hold.
    """
    chain = _Chain(shards, make_spool)
    for (order_free, is_cheap), members in groupby(specs, key=lambda spec: (spec.order_free, spec.is_cheap)):
        segment = tuple(members)
        if order_free:
            chain.take(segment, (engine if is_cheap else judge_locally)(shards, segment, context))
            continue
        for spec in segment:
            chain.take((spec,), judge_whole(shards, spec, context))
    return chain.finish()


class _Step(NamedTuple):
    """A filter of the segment at work."""

    spec: FilterSpec
    counted: StepCount
    spool: Spool


class _Chain:
    """The rows that are left, and what has been taken from them."""

    def __init__(self, shards: Shards, make_spool: Callable[[int], Spool]) -> None:
        self._shards = shards
        self._make_spool = make_spool
        self._rejected: list[Spool] = []
        self._funnel: list[FunnelStep] = []
        self._warnings: list[str] = []
        self._seconds: list[float] = []
        costs = (table.column("cost_usd").to_pylist() for table in read_all(shards, ["cost_usd"]))
        self._usd = add_usd(cast("float | None", cost) for column in costs for cost in column)

    def take(self, specs: Sequence[FilterSpec], batches: Iterable[Judged]) -> None:
        """Take out of each shard what a segment dropped, change what it changed, and count both."""
        rows_in = self._shards.num_rows
        first = len(self._rejected)
        self._rejected += [self._make_spool(first + step) for step in range(len(specs))]
        steps = [
            _Step(spec, StepCount(spec.member), spool)
            for spec, spool in zip(specs, self._rejected[first:], strict=True)
        ]
        bill = Judged(0, [], [0.0] * len(specs), [()] * len(specs), [0.0] * len(specs))
        for number, judged in enumerate(batches):
            _add_up(bill, judged)
            if judged.marks:
                _take_from(self._shards, number, judged.marks, steps)
        for step, notes, usd in zip(steps, bill.notes, bill.usd, strict=True):
            funnel = step.counted.finish(rows_in, notes, Paid(usd, self._usd))
            self._usd = add_usd([self._usd, usd])
            self._funnel.append(funnel)
            self._warnings += find_warnings(funnel, step.spec.member)
            rows_in = funnel.rows_out
        self._seconds += bill.seconds

    def finish(self) -> Sifted:
        """Return what the chain came to."""
        return Sifted(tuple(self._rejected), tuple(self._funnel), tuple(self._warnings), tuple(self._seconds))


def _add_up(bill: Judged, judged: Judged) -> None:
    """Add a batch's time, notes and money to a segment's."""
    for step, (seconds, notes, usd) in enumerate(zip(judged.seconds, judged.notes, judged.usd, strict=True)):
        bill.seconds[step] += seconds
        bill.notes[step] = tuple(dict.fromkeys(bill.notes[step] + notes))
        bill.usd[step] = add_usd([bill.usd[step], usd])


def _take_from(shards: Shards, number: int, marks: Sequence[Mark], steps: Sequence[_Step]) -> None:
    """Change a shard's rows, then move those that were dropped to their filter's spool."""
    rows = shards.read(number)
    edits: dict[int, Mapping[str, str | None]] = {}
    for mark in marks:
        if mark.verdict.edits:
            edits[mark.row] = {**edits.get(mark.row, {}), **mark.verdict.edits}
    if edits:
        rows = Rows(rows).edit(edits).table
        shards.replace(number, rows)
    left = np.ones(rows.num_rows, bool)
    for place, step in enumerate(steps):
        mine = sorted((mark for mark in marks if mark.step == place), key=lambda mark: mark.row)
        drops = [mark for mark in mine if not mark.verdict.keep]
        verdicts = [mark.verdict for mark in drops]
        dropped = rows.take(pa.array([mark.row for mark in drops], pa.int64()))
        step.counted.add(dropped, verdicts, [mark.verdict for mark in mine if mark.verdict.keep])
        if drops:
            step.spool.append(_label(dropped, step.spec.name, verdicts))
            left[[mark.row for mark in drops]] = False
    if not left.all():
        shards.keep(number, left)


def _label(dropped: pa.Table, name: str, verdicts: Sequence[Verdict]) -> pa.Table:
    columns = (
        ("filter", [name] * len(verdicts)),
        ("reason", [verdict.reason for verdict in verdicts]),
        ("evidence", [verdict.evidence for verdict in verdicts]),
    )
    for column, values in columns:
        dropped = dropped.append_column(column, pa.array(values, pa.string()))
    return dropped.cast(REJECTED)
