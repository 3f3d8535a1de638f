"""What the gate says: one outcome per rule and the decision over them. Report and promote only read these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["pass", "fail", "inconclusive", "invalid"]
DecisionWord = Literal["promote", "hold", "inconclusive", "invalid"]

EXIT_CODES: dict[DecisionWord, int] = {"promote": 0, "hold": 3, "inconclusive": 4, "invalid": 7}


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """One rule on one slice (None: all examples). A number that does not apply is None, never 0 or NaN.

    `of` is student or cascade; `policy` is block or warn; `difference` is `of` minus `versus`;
    `low` and `high` are the two-sided interval shown; the decision is made at one-sided `alpha`. `power` is the chance
    that `power_assumes` passes at this n; where `power_signal` is given it is Phi(power_signal * sqrt(n) -
    power_hurdle) at any other. `needed_n`: rows that would decide with power .8 if what was seen holds.
    """

    rule: str
    metric: str
    outcome: Outcome
    reason: str
    of: str = "student"
    versus: str | None = None
    slice: str | None = None
    policy: Literal["block", "warn"] = "block"
    student: float | None = None
    teacher: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    max: float | None = None
    min: float | None = None
    n: int = 0
    p_value: float | None = None
    alpha: float | None = None
    power: float | None = None
    needed_n: int | None = None
    power_assumes: str | None = None
    power_signal: float | None = None
    power_hurdle: float | None = None


@dataclass(frozen=True, slots=True)
class LookRecord:
    """What looking at this held-out set costs: `alpha` is this look's error level.

    `bound_so_far` and `bound_ever` bound the chance that any look up to now, or however many will follow, promotes a
    student that it should not; `statement` says it in words.
    """

    policy: Literal["allow", "spend"]
    look: int
    allowed: int
    alpha: float
    bound_so_far: float
    bound_ever: float
    statement: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's word with everything it stands on; written to gate.json as is.

    `channels` are the versions of the channels that rules compared with: promotion onto one expects it still there.
    `heldout_looks` counts evaluations of a student; `looks` numbers verdicts, for other rules are a further one.
    `notes` are what a reader must hear beside the verdict: a baseline that ties, a look too many, no gold.
    """

    decision: DecisionWord
    reason: str
    rules: tuple[RuleOutcome, ...]
    heldout_looks: int
    heldout_digest: str
    confidence: float
    generated_by: str
    notes: tuple[str, ...] = ()
    looks: LookRecord | None = None
    channels: Mapping[str, int] = field(default_factory=dict[str, int])
