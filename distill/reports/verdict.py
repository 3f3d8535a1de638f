"""The verdict in words: one sentence that can be forwarded, and what the student alone would get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distill.records.decision import Decision, DecisionWord, RuleOutcome
from distill.reports.wording import is_cost, is_share, metric_name, metric_value, points

SYMBOLS: dict[DecisionWord, str] = {"promote": "✓", "hold": "✕", "inconclusive": "~", "invalid": "!"}
MAX_NAMED = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision in words. `label` names what is judged."""

    word: DecisionWord
    symbol: str
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class StudentAlone:
    """What the gate says of the student without its fallback."""

    verdict: Verdict
    failing_slices: tuple[RuleOutcome, ...]
    open_slices: tuple[RuleOutcome, ...]


def state_verdict(decision: Decision, cost_ratio: float | None = None) -> Verdict:
    """Say the decision in one sentence with its numbers.

    Args:
        decision: what the gate said.
        cost_ratio: dollars per request of what is judged, as a share of the teacher's; None: unknown.
    """
    label = judged_system(decision)
    subject = "the student with the teacher behind it" if label == "cascade" else "the student"
    sentences: dict[DecisionWord, str] = {
        "promote": _say_promote(decision, subject, cost_ratio),
        "hold": _say_hold(decision, subject),
        "inconclusive": _say_inconclusive(decision, subject),
        "invalid": f"Invalid: no verdict can be given. {decision.reason}",
    }
    return Verdict(decision.decision, SYMBOLS[decision.decision], label, sentences[decision.decision])


def state_student_alone(decision: Decision) -> StudentAlone:
    """Say what the student alone gets, with the slices that fail and those left open."""
    slices = [rule for rule in decision.rules if rule.slice is not None]
    failing = sorted((r for r in slices if r.outcome == "fail"), key=lambda r: r.difference or 0.0)
    still_open = tuple(r for r in slices if r.outcome == "inconclusive")
    return StudentAlone(state_verdict(decision), tuple(failing), still_open)


def judged_system(decision: Decision) -> str:
    """Return `cascade` when the blocking quality rules judge it, else `student`."""
    return "cascade" if any(rule.of == "cascade" for rule in decision.rules) else "student"


def main_rule(rules: Sequence[RuleOutcome]) -> RuleOutcome | None:
    """Return the rule of the headline: the first comparison with a margin over all examples."""
    return next((rule for rule in rules if rule.margin is not None and rule.slice is None), None)


def _say_promote(decision: Decision, subject: str, cost_ratio: float | None) -> str:
    rule = main_rule(decision.rules)
    cost = "" if cost_ratio is None else f", at {cost_ratio:.0%} of the teacher's cost per request"
    if rule is None or rule.difference is None or rule.margin is None:
        return f"Promote {subject}: every rule passes{cost}."
    return (
        f"Promote {subject}: {metric_name(rule.metric)} is {_compare(rule)}, proven to be less than "
        f"{rule.margin * 100:g} points worse{cost}."
    )


def _compare(rule: RuleOutcome) -> str:
    assert rule.difference is not None
    shown = points(abs(rule.difference)).lstrip("+")
    if float(shown) == 0:
        return f"the same as the {rule.versus or 'teacher'}’s"
    side = "below" if rule.difference < 0 else "above"
    return f"{shown} {'point' if shown == '1.0' else 'points'} {side} the {rule.versus or 'teacher'}’s"


def _say_hold(decision: Decision, subject: str) -> str:
    failed = [rule for rule in decision.rules if rule.outcome == "fail" and rule.policy == "block"]
    overall = [rule for rule in failed if rule.slice is None]
    worst = (overall or failed)[:1]
    more = len(failed) - len(worst)
    also = "" if more <= 0 else f" Another {more} {'rule fails' if more == 1 else 'rules fail'}."
    return f"Hold {subject}: {_say_failure(worst[0]) if worst else decision.reason}{also}"


def _say_failure(rule: RuleOutcome) -> str:
    where = "" if rule.slice is None else f" on {rule.slice}"
    if rule.margin is not None and rule.difference is not None:
        margin = f"{rule.margin * 100:g} points"
        return f"{metric_name(rule.metric)}{where} is {_compare(rule)}, more than the margin of {margin}."
    return f"{metric_name(rule.metric)}{where} fails: {rule.reason}."


def _say_inconclusive(decision: Decision, subject: str) -> str:
    undecided = [rule for rule in decision.rules if rule.outcome == "inconclusive" and rule.policy == "block"]
    needed = [rule.needed_n - rule.n for rule in undecided if rule.needed_n is not None and rule.needed_n > rule.n]
    more = f" About {max(needed):,} more held-out examples would decide." if needed else ""
    names = list(dict.fromkeys(rule.slice or metric_name(rule.metric) for rule in undecided))
    listed = ", ".join(names[:MAX_NAMED]) + (" and others" if len(names) > MAX_NAMED else "")
    what = f"nothing is shown to fail, but {listed} cannot be decided on these examples." if names else decision.reason
    return f"Inconclusive for {subject}: {what}{more}"


def limit_of(rule: RuleOutcome) -> str:
    """Write what a rule asks for."""
    share = is_share(rule.metric)
    if rule.margin is not None:
        amount = f"{rule.margin * 100:g} points" if share else metric_value(rule.margin, rule.metric)
        return f"less than {amount} below {rule.versus or 'teacher'}"
    if rule.max is not None:
        is_ratio = is_cost(rule.metric) and rule.versus is not None
        return (
            f"at most {rule.max:.0%} of {rule.versus}" if is_ratio else f"at most {metric_value(rule.max, rule.metric)}"
        )
    if rule.min is not None:
        return f"at least {metric_value(rule.min, rule.metric)}"
    return "—"


def counts_by_outcome(rules: Sequence[RuleOutcome]) -> Mapping[str, int]:
    """Count outcomes."""
    return {word: sum(r.outcome == word for r in rules) for word in ("pass", "fail", "inconclusive", "invalid")}
