"""Faults on demand: `429=0.1,500=0.05,timeout=0.01,seed=3`. Drawn from the prompt and its turn, so runs repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from distill.errors import UsageError

KINDS = ("429", "429_retry", "500", "503", "timeout", "reset", "slow", "invalid_json", "empty_choice", "refusal",
         "truncated", "wrong_model", "key_echo", "no_usage", "400", "401", "quota", "no_choices", "html")  # fmt: skip
SETTINGS = ("seed", "first", "timeout_s", "retry_after_s", "rps", "window_s", "no_schema", "no_logprobs", "after",
            "batch_polls", "batch_expire", "batch_cancel", "batch_fail", "batch_first", "batch_most")  # fmt: skip


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How batches go: looks until one is over (`polls`), and what befalls the first `first` ones.

    `expire`, `cancel`: the share of lines that is answered before the batch expires or is cancelled; `fail`: refused
    at once. `most`: more lines than this are refused.
    """

    polls: int = 1
    expire: float | None = None
    cancel: float | None = None
    fail: bool = False
    first: int = 1
    most: int = 50_000


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Rates by kind (their sum at most 1) and settings.

    `first`: faults strike only the first so many turns of a prompt (0: all); `after`: only requests past that number;
    `rps`: requests per second that the server takes, over fixed windows of `window_s` seconds (0: no limit).
    """

    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    seed: int = 0
    first: int = 0
    after: int = 0
    timeout_s: float = 3600.0
    retry_after_s: float = 1.0
    rps: float = 0.0
    window_s: float = 1.0
    no_schema: bool = False
    no_logprobs: bool = False
    batch: BatchPlan = BatchPlan()

    def draw(self, prompt: str, turn: int, number: int) -> str | None:
        """Return the fault for the `turn`-th time (from 1) this prompt is asked, or None."""
        if not self.rates or number <= self.after or (self.first and turn > self.first):
            return None
        digest = hashlib.sha256(f"{self.seed}\n{turn}\n{prompt}".encode("utf-8", "replace")).digest()
        point = int.from_bytes(digest[:7], "big") / 2**56
        for kind, rate in self.rates.items():
            if point < rate:
                return kind
            point -= rate
        return None


def parse_faults(spec: str) -> FaultPlan:
    """Read a fault spec: `kind=rate` and `setting=value`, separated by commas.

    Raises:
        UsageError: an unknown name, a value that is no number, or rates that add up to more than 1.
    """
    rates: dict[str, float] = {}
    settings: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in spec.split(","))):
        name, _, value = part.partition("=")
        try:
            number = float(value) if value else 1.0
        except ValueError:
            raise UsageError(f"--faults: {part!r}: {value!r} is not a number") from None
        if name not in KINDS and name not in SETTINGS:
            raise UsageError(f"--faults: unknown {name!r}; kinds: {', '.join(KINDS)}; settings: {', '.join(SETTINGS)}")
        (rates if name in KINDS else settings)[name] = number
    if any(not 0 <= rate <= 1 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
        raise UsageError("--faults: each rate is in [0, 1], and together they are at most 1")
    return FaultPlan(
        rates,
        seed=int(settings.get("seed", 0)),
        first=int(settings.get("first", 0)),
        after=int(settings.get("after", 0)),
        timeout_s=settings.get("timeout_s", 3600.0),
        retry_after_s=settings.get("retry_after_s", 1.0),
        rps=settings.get("rps", 0.0),
        window_s=settings.get("window_s", 1.0),
        no_schema=bool(settings.get("no_schema", 0)),
        no_logprobs=bool(settings.get("no_logprobs", 0)),
        batch=BatchPlan(
            polls=int(settings.get("batch_polls", 1)),
            expire=settings.get("batch_expire"),
            cancel=settings.get("batch_cancel"),
            fail=bool(settings.get("batch_fail", 0)),
            first=int(settings.get("batch_first", 1)),
            most=int(settings.get("batch_most", 50_000)),
        ),
    )
