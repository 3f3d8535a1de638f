"""The chain: filters in order over a table; kept and rejected rows, and a funnel that counts every drop.

Neighbouring order-free filters make one segment, judged batch by batch by an engine; the others see all rows at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from distill.filters.batch import Judged, RowEngine, judge_batch, judge_locally
from distill.filters.funnel import FunnelStep, StepFacts, describe_step, find_warnings, total_usd
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.spec import FilterSpec
from distill.records.tables import REJECTED
from distill.records.verdict import Verdict


@dataclass(frozen=True, slots=True)
class ChainResult:
    """`kept` has the candidates' schema and order; `rejected` adds filter, reason and evidence.

    `seconds` is each filter's time, in the order of the funnel: never part of an artifact's tables.
    """

    kept: pa.Table
    rejected: pa.Table
    funnel: tuple[FunnelStep, ...]
    warnings: tuple[str, ...]
    seconds: tuple[float, ...] = ()


def run_chain(
    candidates: pa.Table, specs: Sequence[FilterSpec], context: FilterContext, engine: RowEngine = judge_locally
) -> ChainResult:
    """Judge the rows by each filter in turn; a dropped row is not seen by later ones.

    Raises:
        DataError: what a filter guards does not hold.
    """
    chain = _Chain(candidates)
    for order_free, members in groupby(specs, key=lambda spec: spec.order_free):
        segment = tuple(members)
        if order_free:
            chain.take(segment, _gather(engine(chain.kept, segment, context), len(segment)))
            continue
        for spec in segment:
            chain.take((spec,), judge_batch(chain.kept, (spec,), context))
    return chain.finish()


def _gather(batches: Iterable[Judged], steps: int) -> Judged:
    """Put the batches of a segment together as if it had been one batch."""
    whole = Judged(0, [], [0.0] * steps, [()] * steps, [0.0] * steps)
    for batch in batches:
        whole.marks += [mark._replace(row=mark.row + whole.rows) for mark in batch.marks]
        whole.rows += batch.rows
        for step in range(steps):
            whole.seconds[step] += batch.seconds[step]
            whole.notes[step] = tuple(dict.fromkeys(whole.notes[step] + batch.notes[step]))
            before, usd = whole.usd[step], batch.usd[step]
            whole.usd[step] = None if before is None or usd is None else before + usd
    return whole


class _Chain:
    """The rows that are left, and what has been taken from them."""

    def __init__(self, candidates: pa.Table) -> None:
        self.kept = candidates
        self._rejected: list[pa.Table] = []
        self._funnel: list[FunnelStep] = []
        self._warnings: list[str] = []
        self._seconds: list[float] = []
        self._usd = total_usd(candidates)

    def take(self, specs: Sequence[FilterSpec], judged: Judged) -> None:
        """Take out of the rows what a segment dropped, change what it changed, and count both."""
        edits: dict[int, Mapping[str, str | None]] = {}
        for mark in judged.marks:
            if mark.verdict.edits:
                edits[mark.row] = {**edits.get(mark.row, {}), **mark.verdict.edits}
        rows = Rows(self.kept).edit(edits).table if edits else self.kept
        left = rows.num_rows
        gone: list[int] = []
        for step, spec in enumerate(specs):
            marks = sorted((mark for mark in judged.marks if mark.step == step), key=lambda mark: mark.row)
            drops = [mark.row for mark in marks if not mark.verdict.keep]
            verdicts = [mark.verdict for mark in marks if not mark.verdict.keep]
            dropped = rows.take(pa.array(drops, pa.int64()))
            edited = [mark.verdict for mark in marks if mark.verdict.keep]
            usd, notes = judged.usd[step], judged.notes[step]
            funnel = describe_step(StepFacts(spec.member, left, dropped, verdicts, edited, notes, usd, self._usd))
            self._usd = None if usd is None or self._usd is None else self._usd + usd
            self._funnel.append(funnel)
            self._warnings += find_warnings(funnel, spec.member)
            self._rejected.append(_label(dropped, spec.name, verdicts))
            left -= len(drops)
            gone += drops
        self._seconds += judged.seconds
        self.kept = rows.filter(_all_but(gone, rows.num_rows)) if gone else rows

    def finish(self) -> ChainResult:
        """Return what the chain came to."""
        empty = pa.Table.from_pylist([], schema=REJECTED)
        rejected = pa.concat_tables([empty, *self._rejected])
        return ChainResult(self.kept, rejected, tuple(self._funnel), tuple(self._warnings), tuple(self._seconds))


def _all_but(gone: Sequence[int], rows: int) -> pa.Array:
    mask = np.ones(rows, bool)
    mask[np.array(gone, np.int64)] = False
    return pa.array(mask)


def _label(dropped: pa.Table, name: str, verdicts: Sequence[Verdict]) -> pa.Table:
    columns = (
        ("filter", [name] * len(verdicts)),
        ("reason", [verdict.reason for verdict in verdicts]),
        ("evidence", [verdict.evidence for verdict in verdicts]),
    )
    for column, values in columns:
        dropped = dropped.append_column(column, pa.array(values, pa.string()))
    return dropped.cast(REJECTED)
