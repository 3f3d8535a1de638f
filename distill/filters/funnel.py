"""The funnel: what each filter let through, what it dropped and why, with samples, dollars and warnings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pyarrow as pa

from distill.filters.protocol import Filter
from distill.records.verdict import Verdict

SAMPLES_PER_REASON = 3
SUSPICIOUS_DROP = 0.5
SUSPICIOUS_ROWS = 100
"""Rows from which a filter that drops none of them is worth a note."""
TALLIED_VALUES = 200
SAMPLE_CHARS = 2000


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
    """What one filter did: rows in and out, drops and edits by reason, and money.

    `usd_dropped` is what the dropped answers had cost; `usd_per_kept` is all that was paid for the rows of the chain so
    far, judging included, per row that is left (None: a price is unknown, or nothing is left); `tallies` counts values
    of some reasons, most frequent first; `samples` are a few dropped rows per reason.
    """

    filter: str
    rows_in: int
    rows_out: int
    reasons: dict[str, int]
    edits: dict[str, int] = field(default_factory=dict[str, int])
    usd_dropped: float | None = 0.0
    usd_judging: float | None = 0.0
    usd_per_kept: float | None = None
    tallies: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    notes: list[str] = field(default_factory=list[str])
    samples: list[DroppedRow] = field(default_factory=list[DroppedRow])


class StepFacts(NamedTuple):
    """What the chain knows of one filter's work; `dropped` and `drops` go together, row by row."""

    member: Filter
    rows_in: int
    dropped: pa.Table
    drops: Sequence[Verdict]
    edits: Sequence[Verdict]
    notes: tuple[str, ...]
    usd_judging: float | None
    usd_before: float | None


def describe_step(facts: StepFacts) -> FunnelStep:
    """Count one filter's work."""
    rows_out = facts.rows_in - len(facts.drops)
    paid = None if facts.usd_before is None or facts.usd_judging is None else facts.usd_before + facts.usd_judging
    return FunnelStep(
        filter=facts.member.name,
        rows_in=facts.rows_in,
        rows_out=rows_out,
        reasons=_count(facts.drops),
        edits=_count(facts.edits),
        usd_dropped=total_usd(facts.dropped),
        usd_judging=facts.usd_judging,
        usd_per_kept=None if paid is None or not rows_out else paid / rows_out,
        tallies={reason: found for reason in facts.member.tallies if (found := _tally(facts.drops, reason))},
        notes=list(facts.notes),
        samples=_sample(facts.dropped, facts.drops),
    )


def find_warnings(step: FunnelStep, member: Filter) -> list[str]:
    """Return what a reader of the run must hear of one filter."""
    dropped = step.rows_in - step.rows_out
    found = [f"filter {step.filter}: {note}" for note in step.notes]
    for reason, values in step.tallies.items():
        listed = ", ".join(f"{value!r} {count}x" for value, count in list(values.items())[:10])
        more = f" and {len(values) - 10} more" if len(values) > 10 else ""
        found.append(f"filter {step.filter}: {reason}: {listed}{more}")
    if dropped > SUSPICIOUS_DROP * step.rows_in and not member.may_drop_none:
        found.append(f"filter {step.filter} dropped {dropped} of {step.rows_in} rows: {step.reasons}")
    elif step.rows_in >= SUSPICIOUS_ROWS and not dropped and not step.edits and not member.may_drop_none:
        found.append(f"note: filter {step.filter} dropped none of {step.rows_in} rows")
    return found


def total_usd(rows: pa.Table) -> float | None:
    """Return what the rows' answers had cost; None when a price is unknown."""
    costs = cast("list[float | None]", rows.column("cost_usd").to_pylist())
    return None if any(cost is None for cost in costs) else float(sum(cost or 0.0 for cost in costs))


def _count(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(verdict.reason for verdict in verdicts).items()))


def _tally(drops: Sequence[Verdict], reason: str) -> dict[str, int]:
    counted = Counter(verdict.evidence for verdict in drops if verdict.reason == reason)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TALLIED_VALUES])


def _sample(dropped: pa.Table, drops: Sequence[Verdict]) -> list[DroppedRow]:
    chosen: dict[str, list[int]] = defaultdict(list)
    for place, verdict in enumerate(drops):
        if len(chosen[verdict.reason]) < SAMPLES_PER_REASON:
            chosen[verdict.reason].append(place)
    places = [place for reason in sorted(chosen) for place in chosen[reason]]
    shown = cast(
        "list[dict[str, Any]]", dropped.select(["id", "text", "answer"]).take(pa.array(places, pa.int64())).to_pylist()
    )
    return [
        DroppedRow(
            row["id"],
            row["text"][:SAMPLE_CHARS],
            (row["answer"] or "")[:SAMPLE_CHARS],
            drops[i].reason,
            drops[i].evidence,
        )
        for row, i in zip(shown, places, strict=True)
    ]
