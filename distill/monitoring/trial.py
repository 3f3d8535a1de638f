"""A canary's trial: both versions on the same requests, the teacher as the judge, by rules fixed beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distill.monitoring.signals import find_failure
from distill.records.json import Json
from distill.records.live import Audit, CanaryRules, ServedRequest
from distill.statistics.betting import mean_wealth
from distill.statistics.confidence_sequence import confidence_sequence


@dataclass(frozen=True, slots=True)
class Trial:
    """What is decided and on what. `continue`: nothing yet."""

    word: Literal["promote", "withdraw", "continue"]
    reason: str
    evidence: dict[str, Json]


def pair_audits(audits: Sequence[Audit], serving: str, canary: str) -> list[tuple[bool, bool]]:
    """Return, per request that the teacher judged for both, (the canary agreed, the serving version agreed)."""
    sides: dict[str, dict[str, bool]] = {}
    for audit in audits:
        if audit.kind == "shadow" and audit.version in (serving, canary):
            sides.setdefault(audit.request_id, {})[audit.version] = audit.agreed
    return [(both[canary], both[serving]) for both in sides.values() if len(both) == 2]


def judge_trial(
    pairs: Sequence[tuple[bool, bool]], requests: Sequence[ServedRequest], rules: CanaryRules, hours: float
) -> Trial:
    """Decide a canary from all pairs and all its own requests so far, oldest first.

    Either verdict is wrong with a chance of at most 1 - confidence, however often this is called: promotion rejects
    "it agrees at least `margin` less often", withdrawal rejects "it agrees at least as often". The first to cross wins.
    """
    alpha = 1 - rules.confidence
    invalid = sum(bool(find_failure(row)) for row in requests)
    better, worse = sum(new and not old for new, old in pairs), sum(old and not new for new, old in pairs)
    evidence: dict[str, Json] = {
        "pairs": len(pairs), "canary_only": better, "serving_only": worse,
        "requests": len(requests), "invalid": invalid, "hours": round(hours, 2),
    }  # fmt: skip
    if requests and confidence_sequence(invalid, len(requests), alpha).low > rules.max_invalid:
        reason = f"{invalid} of {len(requests)} answers unusable, surely more than {rules.max_invalid:.1%}"
        return Trial("withdraw", reason, evidence)
    gains = [(1 + new - old) / 2 for new, old in pairs]
    sound = _first_crossing(gains, (1 - rules.margin) / 2, alpha)
    bad = _first_crossing([1 - gain for gain in gains], 0.5, alpha)
    if bad is not None and (sound is None or bad <= sound):
        return Trial("withdraw", f"agrees with the teacher less often: {worse} against {better} requests", evidence)
    if sound is not None and len(pairs) >= rules.min_audits:
        reason = f"agrees with the teacher at most {rules.margin:.1%} less often: {worse} against {better} requests"
        return Trial("promote", f"{reason}, of {len(pairs)}", evidence)
    if len(pairs) >= rules.max_audits or hours >= rules.max_hours:
        return Trial("withdraw", f"undecided after {len(pairs)} judged requests and {hours:.0f} h", evidence)
    return Trial("continue", f"{len(pairs)} of at most {rules.max_audits} judged requests", evidence)


def _first_crossing(values: Sequence[float], mean: float, alpha: float) -> int | None:
    """Return after how many values the evidence that their mean is above `mean` first suffices."""
    crossed = (mean_wealth(values, mean) >= 1 / alpha).nonzero()[0]
    return int(crossed[0]) + 1 if crossed.size else None
