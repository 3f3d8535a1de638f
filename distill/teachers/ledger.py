"""What was bought, by kind of token and dollar; costs.json is written from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from distill.records.completion import Usage
from distill.records.json import Json
from distill.teachers.prices import Price


@dataclass(slots=True)
class Ledger:
    """Counts of one teacher's purchases. `usd` includes `wasted_usd` (attempts whose answer could not be used).

    `assumed_usd` is the part of `wasted_usd` that the provider never confirmed: calls cut off after they were sent.
    `outcome_unknown` bounds the calls of killed processes whose rows were bought again here; no other number has them.
    """

    calls: int = 0
    attempts: int = 0
    journal_hits: int = 0
    recorded: int = 0
    batch_calls: int = 0
    refused_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_calls: int = 0
    usd: float = 0.0
    batch_usd: float = 0.0
    wasted_usd: float = 0.0
    assumed_usd: float = 0.0
    hits_usd: float = 0.0
    outcome_unknown: int = 0
    errors: Counter[str] = field(default_factory=Counter[str])
    """Orders that ended without an answer, by kind."""
    attempts_by_error: Counter[str] = field(default_factory=Counter[str])
    """Attempts that were retried or discarded, by kind."""
    models_served: Counter[str] = field(default_factory=Counter[str])
    usd_by_kind: dict[str, float] = field(default_factory=dict[str, float])
    """Dollars by kind: input, cached_input, output, reasoning, batch, retried, discarded. Their sum is `usd`."""

    def book(self, usage: Usage, price: Price, *, batch: bool = False) -> float:
        """Book a call that was answered; returns what it cost."""
        usd = price.cost(usage, batch=batch)
        for kind, part in price.split(usage, batch=batch).items():
            self._add(kind, part)
        self.calls += 1
        self.batch_calls += batch
        self.input_tokens += usage.input_tokens
        self.cached_input_tokens += usage.cached_input_tokens
        self.output_tokens += usage.output_tokens
        self.reasoning_tokens += usage.reasoning_tokens
        self.estimated_calls += usage.estimated
        self.usd += usd
        self.batch_usd += usd if batch else 0.0
        return usd

    def waste(self, kind: str, usd: float, *, answered: bool) -> None:
        """Book an attempt that brought nothing usable: `answered` ones are discarded, the others were cut off."""
        self._add("discarded" if answered else "retried", usd)
        self.attempts_by_error[kind] += 1
        self.refused_calls += kind == "rate_limited"
        self.usd += usd
        self.wasted_usd += usd
        self.assumed_usd += 0.0 if answered else usd

    def _add(self, kind: str, usd: float) -> None:
        if usd:
            self.usd_by_kind[kind] = self.usd_by_kind.get(kind, 0.0) + usd

    def to_json(self) -> dict[str, Json]:
        """Return the counts for costs.json; `outcome_unknown` only where there are such calls."""
        names = ("calls", "attempts", "journal_hits", "recorded", "batch_calls", "refused_calls", "input_tokens",
                 "cached_input_tokens", "output_tokens", "reasoning_tokens", "estimated_calls", "usd", "batch_usd",
                 "wasted_usd", "assumed_usd", "hits_usd")  # fmt: skip
        counts: dict[str, Json] = {name: getattr(self, name) for name in names}
        tables = {"errors": self.errors, "attempts_by_error": self.attempts_by_error,
                  "models_served": self.models_served, "usd_by_kind": self.usd_by_kind}  # fmt: skip
        if self.outcome_unknown:
            counts["outcome_unknown"] = self.outcome_unknown
        return counts | {name: dict(sorted(table.items())) for name, table in tables.items()}


def add_ledgers(ledgers: Iterable[Ledger]) -> Ledger:
    """Add ledgers up, table by table."""
    total = Ledger()
    for ledger in ledgers:
        for name in (one.name for one in fields(Ledger)):
            mine: Any = getattr(total, name)
            other: Any = getattr(ledger, name)
            if isinstance(mine, dict):
                for kind in other:
                    mine[kind] = mine.get(kind, 0) + other[kind]
            else:
                setattr(total, name, mine + other)
    return total
