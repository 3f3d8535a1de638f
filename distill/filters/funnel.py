"""The funnel: what each filter let through, what it dropped and why, with samples, dollars and warnings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pyarrow as pa

from distill.filters.protocol import Filter
from distill.records.amounts import add_usd
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


class Paid(NamedTuple):
    """Dollars: what judging by one filter cost, and what had been paid before it (None: a price is unknown)."""

    usd_judging: float | None
    usd_before: float | None


class StepCount:
    """What one filter does, counted as it goes, shard after shard."""

    def __init__(self, member: Filter) -> None:
        self._member = member
        self.dropped = 0
        self._reasons: Counter[str] = Counter()
        self._edits: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {reason: Counter() for reason in member.tallies}
        self._samples: dict[str, list[DroppedRow]] = defaultdict(list)
        self._usd: float | None = 0.0

    def add(self, dropped: pa.Table, drops: Sequence[Verdict], edits: Sequence[Verdict]) -> None:
        """Count the dropped rows of a shard, each with its verdict, and the verdicts that changed rows."""
        self.dropped += len(drops)
        self._reasons.update(verdict.reason for verdict in drops)
        self._edits.update(verdict.reason for verdict in edits)
        for verdict in drops:
            if verdict.reason in self._values:
                self._values[verdict.reason][verdict.evidence] += 1
        self._sample(dropped, drops)
        self._usd = add_usd([self._usd, *cast("list[float | None]", dropped.column("cost_usd").to_pylist())])

    def finish(self, rows_in: int, notes: Sequence[str], paid: Paid) -> FunnelStep:
        """Return the step, once all rows were counted."""
        rows_out = rows_in - self.dropped
        total = add_usd(paid)
        return FunnelStep(
            filter=self._member.name,
            rows_in=rows_in,
            rows_out=rows_out,
            reasons=dict(sorted(self._reasons.items())),
            edits=dict(sorted(self._edits.items())),
            usd_dropped=self._usd,
            usd_judging=paid.usd_judging,
            usd_per_kept=None if total is None or not rows_out else total / rows_out,
            tallies={reason: _rank(counted) for reason, counted in self._values.items() if counted},
            notes=list(notes),
            samples=[row for reason in sorted(self._samples) for row in self._samples[reason]],
        )

    def _sample(self, dropped: pa.Table, drops: Sequence[Verdict]) -> None:
        wanted: Counter[str] = Counter()
        places: list[int] = []
        for place, verdict in enumerate(drops):
            if len(self._samples.get(verdict.reason, ())) + wanted[verdict.reason] < SAMPLES_PER_REASON:
                wanted[verdict.reason] += 1
                places.append(place)
        shown = dropped.select(["id", "text", "answer"]).take(pa.array(places, pa.int64())).to_pylist()
        for place, row in zip(places, cast("list[dict[str, Any]]", shown), strict=True):
            self._samples[drops[place].reason].append(_show(row, drops[place]))


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


def _rank(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:TALLIED_VALUES])


def _show(row: Mapping[str, Any], verdict: Verdict) -> DroppedRow:
    text, answer = row["text"][:SAMPLE_CHARS], (row["answer"] or "")[:SAMPLE_CHARS]
    return DroppedRow(row["id"], text, answer, verdict.reason, verdict.evidence)
