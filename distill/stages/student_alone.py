"""What the verdict would be without a fallback: said plainly beside a verdict on the cascade."""

from __future__ import annotations

from dataclasses import replace

from distill.records.decision import Decision, DecisionWord, RuleOutcome


def judge_student_alone(decision: Decision) -> Decision | None:
    """Return the decision over the rules that judge the student, all as if they blocked; None when there are none."""
    rules = tuple(replace(rule, policy="block") for rule in decision.rules if rule.of == "student")
    if not rules:
        return None
    word = combine(rules)
    failed = [name_rule(rule) for rule in rules if rule.outcome == "fail"]
    open_rules = [name_rule(rule) for rule in rules if rule.outcome in ("inconclusive", "invalid")]
    reason = "every rule on the student alone passes"
    if failed:
        reason = f"shown to fail: {', '.join(failed)}"
    elif open_rules:
        reason = f"not decided: {', '.join(open_rules)}"
    return replace(decision, decision=word, reason=reason, rules=rules)


def combine(rules: tuple[RuleOutcome, ...]) -> DecisionWord:
    """Combine outcomes: invalid before hold before inconclusive before promote."""
    outcomes = {rule.outcome for rule in rules}
    if "invalid" in outcomes:
        return "invalid"
    if "fail" in outcomes:
        return "hold"
    return "inconclusive" if "inconclusive" in outcomes else "promote"


def name_rule(rule: RuleOutcome) -> str:
    """Name a rule by its metric and slice."""
    return rule.metric if rule.slice is None else f"{rule.metric} on {rule.slice}"
