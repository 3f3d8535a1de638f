"""What asking again brought and cost: the history of every replaced answer, and the sums for report and ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill.engine.parquet import write_rows
from distill.records.amounts import add_usd
from distill.records.json import Json
from distill.records.tables import REGENERATED
from distill.stages.candidates import Row
from distill.stages.rejected_answers import Place, Rejected, read_rejected

TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens")


@dataclass(slots=True)
class Bill:
    """Each place's rejected answers, oldest first, and what further answers cost by attempt, whenever bought.

    `spent_usd` is what this run of the stage paid for them itself.
    """

    history: dict[Place, list[Rejected]] = field(default_factory=dict[Place, list[Rejected]])
    usd: dict[int, list[float | None]] = field(default_factory=dict[int, "list[float | None]"])
    tokens: Counter[str] = field(default_factory=Counter[str])
    spent_usd: float = 0.0

    def book(self, place: Place, row: Row, cost_usd: float | None) -> None:
        """Book one further answer."""
        self.usd.setdefault(len(self.history[place]), []).append(cost_usd)
        self.tokens.update({name: int(str(row[name])) for name in TOKENS})

    def write_history(self, path: Path) -> None:
        """Write the answers that were replaced, each with why, to regenerated.parquet."""
        rows = [
            {**one._asdict(), **place._asdict(), "attempt": attempt, "cost_usd": _own_cost(turns, attempt)}
            for place, turns in sorted(self.history.items())
            for attempt, one in enumerate(turns)
        ]
        write_rows(rows, REGENERATED, path)

    def describe(self, rejected: Iterator[Mapping[str, object]]) -> dict[str, Json]:
        """Say what asking again brought; `rejected` are the rows that were dropped in the end."""
        lost = {read_rejected(row).place for row in rejected}
        rescued = {place: turns for place, turns in self.history.items() if place not in lost}
        usd = add_usd([cost for costs in self.usd.values() for cost in costs])
        first = Counter((turns[0].filter, turns[0].reason) for turns in self.history.values())
        saved = Counter((turns[0].filter, turns[0].reason) for turns in rescued.values())
        kept_at = Counter(len(turns) for turns in rescued.values())
        return {
            "asked_rows": len(self.history),
            "answers": sum(len(costs) for costs in self.usd.values()),
            "rescued": len(rescued),
            "usd": usd,
            "usd_per_rescued": None if usd is None or not rescued else usd / len(rescued),
            "spent_usd": self.spent_usd,
            "replaced_usd": add_usd([turns[-1].cost_usd for turns in rescued.values()]),
            **{name: self.tokens[name] for name in TOKENS},
            "attempts": [
                {"attempt": attempt, "asked": len(costs), "rescued": kept_at[attempt], "usd": add_usd(costs)}
                for attempt, costs in sorted(self.usd.items())
            ],
            "by_reason": [
                {"filter": name, "reason": reason, "asked": asked, "rescued": saved[name, reason]}
                for (name, reason), asked in sorted(first.items(), key=lambda pair: (-pair[1], pair[0]))
            ],
        }


def _own_cost(turns: Sequence[Rejected], attempt: int) -> float | None:
    """Return what one attempt cost: the places' costs add up over their attempts."""
    now, before = turns[attempt].cost_usd, turns[attempt - 1].cost_usd if attempt else 0.0
    return None if now is None or before is None else now - before
