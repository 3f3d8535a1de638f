"""What a purchase will cost, before a cent is spent: a range, because nobody knows how long the answers will be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from distill.errors import StoreError, TeacherError
from distill.records.completion import TeacherRequest
from distill.records.runtime import RuntimeConfig
from distill.teachers.config import TeacherConfig
from distill.teachers.journal import is_absent, open_journal
from distill.teachers.prices import Price, find_price
from distill.teachers.tokens import likely_input_tokens

_SHORTEST_ANSWER_TOKENS = 1
_LIKELY_LATENCY_S = 1.5
_LOW, _HIGH = 0.8, 1.35
"""UTF-8 bytes / 4 against real tokenizers: within this band on English to German prose; code and CJK can pass it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan of a purchase. `usd_low`/`usd_high` are None when the price is unknown; `seconds` is the wall time."""

    calls: int
    journal_hits: int
    input_tokens: int
    output_tokens_low: int
    output_tokens_high: int
    usd_low: float | None
    usd_high: float | None
    seconds: float
    price: Price | None
    warnings: tuple[str, ...] = ()


def estimate(
    requests: Iterable[TeacherRequest],
    config: TeacherConfig,
    *,
    runtime: RuntimeConfig | None = None,
    samples: int | None = None,
) -> Estimate:
    """Estimate buying `samples` answers (default: the config's) to each request; the journal is only read.

    Raises:
        UsageError: `runtime.journal` is of an unknown kind.
    """
    counts = range(config.samples if samples is None else samples)
    wanted = {request.key(sample): request for request in requests for sample in counts}
    warnings: list[str] = []
    paid = _paid(wanted, runtime, warnings)
    fresh = [request for key, request in wanted.items() if key not in paid] if config.provider != "replay" else []
    try:
        price = find_price(config)
    except TeacherError as error:
        price = None
        warnings.append(str(error))
    tokens = sum(likely_input_tokens(request.messages) for request in fresh)
    low = sum(min(_SHORTEST_ANSWER_TOKENS, request.max_output_tokens or _SHORTEST_ANSWER_TOKENS) for request in fresh)
    high = sum(request.max_output_tokens or 4096 for request in fresh)
    factor = price.batch_factor if price is not None and config.mode == "batch" else 1.0
    return Estimate(
        calls=len(fresh),
        journal_hits=len(paid),
        input_tokens=tokens,
        output_tokens_low=low,
        output_tokens_high=high,
        usd_low=None if price is None else factor * (_LOW * tokens * price.cached_input + low * price.output) / 1e6,
        usd_high=None if price is None else factor * (_HIGH * tokens * price.input + high * price.output) / 1e6,
        seconds=_seconds(len(fresh), tokens + high, config, runtime),
        price=price,
        warnings=tuple(warnings),
    )


def journal_url(runtime: RuntimeConfig) -> str:
    """Return the journal's URL: the configured one, else journal.db in the state directory."""
    return runtime.journal or f"sqlite:///{runtime.state_dir / 'journal.db'}"


def _paid(keys: Collection[str], runtime: RuntimeConfig | None, warnings: list[str]) -> Collection[str]:
    if runtime is None or is_absent(journal_url(runtime)):
        return ()
    try:
        journal = open_journal(journal_url(runtime), read_only=True)
    except StoreError as error:
        warnings.append(f"answers already paid are not counted: {error}")
        return ()
    try:
        return journal.lookup(keys)
    finally:
        journal.close()


def _seconds(calls: int, tokens: int, config: TeacherConfig, runtime: RuntimeConfig | None) -> float:
    concurrency = 64 if runtime is None else runtime.concurrency
    by_limits = max(calls / config.limits.requests_per_minute, tokens / config.limits.tokens_per_minute) * 60
    return max(by_limits, calls * _LIKELY_LATENCY_S / concurrency)
