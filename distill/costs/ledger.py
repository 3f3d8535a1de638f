"""What was spent, entry by entry. A price nobody knows stays None; it is never counted as 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EntryKind = Literal[
    "teacher", "discarded", "retried", "judge", "rival", "training", "evaluation", "serving", "fallback", "monitoring"
]
"""`teacher` is answers that were used, `discarded` those a filter dropped, `retried` calls that brought no answer."""

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per million tokens; `cached_input` None means the input price."""

    input: float
    output: float
    cached_input: float | None = None


@dataclass(frozen=True, slots=True)
class TeacherLedger:
    """What one teacher's answers to the rows that are trained on cost.

    `input_tokens` includes the cached ones; `usd` includes `wasted_usd` (calls retried, failed or thrown away);
    `discarded_usd` is what the answers cost that a filter dropped (part of `usd`); `estimated_calls` counts calls
    whose tokens are ours because the provider reported none; `outcome_unknown` bounds the calls that were under way
    when a process was killed, of which `usd` has none.
    """

    name: str = ""
    calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    wasted_usd: float | None = None
    discarded_usd: float | None = 0.0
    discarded_calls: int = 0
    retried_calls: int = 0
    estimated_calls: int = 0
    outcome_unknown: int = 0
    price_source: str = ""
    price_is_assumption: bool = False


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger; `usd` None is unknown; `per` says whether it is paid once or every month."""

    stage: str
    kind: EntryKind
    usd: float | None
    note: str
    per: Literal["run", "month"] = "run"
    calls: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    is_estimated: bool = False


def price_tokens(input_tokens: int, cached_input_tokens: int, output_tokens: int, price: TokenPrice) -> float:
    """Return the USD that tokens cost; the cached ones are part of `input_tokens`.

    Raises:
        ValueError: a count is negative, or more tokens are cached than there are.
    """
    if min(input_tokens, cached_input_tokens, output_tokens) < 0 or cached_input_tokens > input_tokens:
        raise ValueError(f"impossible token counts: {input_tokens=}, {cached_input_tokens=}, {output_tokens=}")
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = input_tokens - cached_input_tokens
    total = fresh * price.input + cached_input_tokens * cached_price + output_tokens * price.output
    return total / TOKENS_PER_PRICE
