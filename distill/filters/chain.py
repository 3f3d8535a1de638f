"""The chain: filters in order over a table; kept and rejected rows, and a funnel that counts every drop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from distill.filters.protocol import FilterContext
from distill.filters.spec import FilterSpec
from distill.records.tables import REJECTED
from distill.records.verdict import Verdict

SAMPLES_PER_REASON = 3
SUSPICIOUS_DROP = 0.5
SUSPICIOUS_ROWS = 1000
"""Rows from which a filter that drops none of them is worth a note."""


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A dropped row, for people."""

    id: str
    text: str
    answer: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """What one filter did: rows in and out, drops by reason, the dollars dropped answers cost (None: unknown)."""

    filter: str
    rows_in: int
    rows_out: int
    reasons: dict[str, int]
    usd_dropped: float | None
    samples: list[DroppedRow]


@dataclass(frozen=True, slots=True)
class ChainResult:
    """`kept` has the candidates' schema and order; `rejected` adds filter, reason and evidence."""

    kept: pa.Table
    rejected: pa.Table
    funnel: tuple[FunnelStep, ...]
    warnings: tuple[str, ...]


def run_chain(candidates: pa.Table, specs: Sequence[FilterSpec], context: FilterContext) -> ChainResult:
    """Judge the rows by each filter in turn; a dropped row is not seen by later ones."""
    kept = candidates
    rejected: list[pa.Table] = []
    funnel: list[FunnelStep] = []
    warnings: list[str] = []
    for spec in specs:
        verdicts = spec.member.judge(kept, spec.config, context)
        mask = [verdict.keep for verdict in verdicts]
        dropped = kept.filter(pa.array([not keep for keep in mask], pa.bool_()))
        reasons = [verdict for verdict in verdicts if not verdict.keep]
        step = _describe(spec.name, kept.num_rows, dropped, reasons)
        funnel.append(step)
        warnings += _warn(step)
        rejected.append(_label(dropped, spec.name, reasons))
        kept = kept.filter(pa.array(mask, pa.bool_()))
    empty = pa.Table.from_pylist([], schema=REJECTED)
    return ChainResult(kept, pa.concat_tables([empty, *rejected]), tuple(funnel), tuple(warnings))


def _label(dropped: pa.Table, name: str, verdicts: Sequence[Verdict]) -> pa.Table:
    columns = (
        ("filter", [name] * len(verdicts)),
        ("reason", [verdict.reason for verdict in verdicts]),
        ("evidence", [verdict.evidence for verdict in verdicts]),
    )
    for column, values in columns:
        dropped = dropped.append_column(column, pa.array(values, pa.string()))
    return dropped.cast(REJECTED)


def _describe(name: str, rows_in: int, dropped: pa.Table, verdicts: Sequence[Verdict]) -> FunnelStep:
    reasons = Counter(verdict.reason for verdict in verdicts)
    costs = cast("list[float | None]", dropped.column("cost_usd").to_pylist())
    samples: dict[str, list[DroppedRow]] = defaultdict(list)
    shown = cast("list[dict[str, Any]]", dropped.select(["id", "text", "answer"]).to_pylist())
    for row, verdict in zip(shown, verdicts, strict=True):
        if len(samples[verdict.reason]) < SAMPLES_PER_REASON:
            samples[verdict.reason].append(
                DroppedRow(row["id"], row["text"], row["answer"] or "", verdict.reason, verdict.evidence)
            )
    return FunnelStep(
        filter=name,
        rows_in=rows_in,
        rows_out=rows_in - len(verdicts),
        reasons=dict(sorted(reasons.items())),
        usd_dropped=None if any(cost is None for cost in costs) else float(sum(cost or 0.0 for cost in costs)),
        samples=[row for reason in sorted(samples) for row in samples[reason]],
    )


def _warn(step: FunnelStep) -> list[str]:
    dropped = step.rows_in - step.rows_out
    if step.rows_in and dropped > SUSPICIOUS_DROP * step.rows_in:
        return [f"filter {step.filter} dropped {dropped} of {step.rows_in} rows: {step.reasons}"]
    if step.rows_in >= SUSPICIOUS_ROWS and not dropped:
        return [f"note: filter {step.filter} dropped none of {step.rows_in} rows"]
    return []
