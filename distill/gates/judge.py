"""The gate's decision: every rule asked, three-valued, nothing passed for want of data.

Promote needs every blocking rule to pass (an intersection-union test: each at full alpha, Berger 1982). One that is
shown to fail holds; anything else is inconclusive; contradictory evidence is invalid before any rule is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from distill.gates import RULES, get_rule
from distill.gates.config import GateConfig, RuleConfig, TestMode
from distill.gates.evidence import Evidence
from distill.gates.notes import make_notes, tell_looks
from distill.gates.question import Question, Tested
from distill.gates.validity import find_problems
from distill.gates.wording import say_rows
from distill.records.decision import Decision, DecisionWord, Outcome, RuleOutcome
from distill.statistics.holm import holm_adjust
from distill.statistics.looks import spend_alpha

GENERATED_BY = "distill gate 1"


def decide(evidence: Evidence, config: GateConfig) -> Decision:
    """Judge the evidence by the rules; evidence that contradicts itself is invalid and not judged further."""
    full_alpha = 1 - config.confidence
    alpha = alpha_of(evidence.look, evidence.allowed_looks, config)
    problems = find_problems(evidence, config)
    outcomes: list[RuleOutcome] = []
    word: DecisionWord = "invalid"
    reason = "; ".join(problems)
    if not problems:
        for rule in config.rules:
            outcomes.extend(judge_rule(rule, evidence, alpha, config.test))
            outcomes.extend(_judge_alone(rule, evidence, config, alpha))
        word, reason = conclude(outcomes)
    return Decision(
        decision=word,
        reason=reason,
        rules=tuple(outcomes),
        heldout_looks=evidence.evaluations or evidence.look,
        heldout_digest=evidence.heldout_digest,
        confidence=config.confidence,
        generated_by=GENERATED_BY,
        notes=() if problems else make_notes(evidence, alpha, full_alpha),
        looks=tell_looks(evidence, full_alpha, config.looks),
        channels=evidence.channels,
    )


def alpha_of(look: int, allowed_looks: int, config: GateConfig) -> float:
    """Return the one-sided error level of each rule at this look at the held-out set."""
    return spend_alpha(1 - config.confidence, look, allowed_looks, config.looks)


def conclude(outcomes: Sequence[RuleOutcome]) -> tuple[DecisionWord, str]:
    """Return the word over the blocking outcomes, and why: hold comes before inconclusive, that before promote."""
    blocking = [outcome for outcome in outcomes if outcome.policy == "block"]
    if not blocking:
        return "inconclusive", "no rule blocks, so nothing was decided"
    words: tuple[tuple[Outcome, DecisionWord], ...] = (("fail", "hold"), ("inconclusive", "inconclusive"))
    for outcome, word in words:
        found = [rule for rule in blocking if rule.outcome == outcome]
        if found:
            return word, "; ".join(f"{name_rule(rule)}: {rule.reason}" for rule in found[:3])
    return "promote", f"all {len(blocking)} blocking rules pass"


def name_rule(outcome: RuleOutcome) -> str:
    """Name a rule outcome for people."""
    where = f" on {outcome.slice}" if outcome.slice else ""
    return f"{outcome.metric} of {outcome.of}{where}"


def judge_rule(rule: RuleConfig, evidence: Evidence, alpha: float, mode: TestMode = "auto") -> list[RuleOutcome]:
    """Judge one rule on all rows and, where it says so, on each slice (single slices are many claims: Holm)."""
    if rule.metric not in evidence.metrics:
        return [_outcome(rule, None, Tested("", "", problem=f"there is no metric {rule.metric!r}"), alpha)]
    outcomes = [_outcome(rule, None, _ask(rule, evidence, alpha, None, mode), alpha)]
    if rule.per_slice:
        outcomes.extend(_judge_slices(rule, evidence, alpha, mode))
    return outcomes


def slices_of(evidence: Evidence) -> dict[str, frozenset[str]]:
    """Return `column=value` -> ids, sorted by name, from the student's predictions."""
    members: dict[str, set[str]] = {}
    for prediction in evidence.predictions.get("student", ()):
        for column, value in prediction.slices.items():
            members.setdefault(f"{column}={value}", set()).add(prediction.id)
    return {name: frozenset(members[name]) for name in sorted(members)}


def field_of(rule: RuleConfig) -> str:
    """Return the field a rule is written with: margin, max, min or max_ratio."""
    return next(name for name in RULES if getattr(rule, name) is not None)


def _judge_alone(rule: RuleConfig, evidence: Evidence, config: GateConfig, alpha: float) -> list[RuleOutcome]:
    """Show the student alone beside a rule on the cascade; it does not decide."""
    alone = rule.model_copy(update={"of": "student", "policy": "warn", "slice_policy": "warn"})
    stated = any(other.of == "student" and other.metric == rule.metric and other.margin for other in config.rules)
    if rule.of != "cascade" or rule.margin is None or stated:
        return []
    return judge_rule(alone, evidence, alpha, config.test)


def _judge_slices(rule: RuleConfig, evidence: Evidence, alpha: float, mode: TestMode) -> list[RuleOutcome]:
    tested: dict[str, Tested] = {}
    for name, ids in slices_of(evidence).items():
        if len(ids) < rule.min_n:
            problem = f"{len(ids)} rows are under min_n {rule.min_n}: too few to say anything about this slice"
            tested[name] = Tested("", "", problem=problem, n=len(ids), needed_n=rule.min_n)
        else:
            tested[name] = _ask(rule, evidence, alpha, ids, mode)
    family = [name for name, found in tested.items() if found.problem is None]
    p_pass = dict(zip(family, holm_adjust([tested[name].p_pass for name in family]), strict=True))
    p_fail = dict(zip(family, holm_adjust([tested[name].p_fail for name in family]), strict=True))
    return [
        _outcome(rule, name, found, alpha, p_pass.get(name), p_fail.get(name), family=len(family))
        for name, found in tested.items()
    ]


def _ask(rule: RuleConfig, evidence: Evidence, alpha: float, ids: frozenset[str] | None, mode: TestMode) -> Tested:
    question = Question(rule, evidence.metrics[rule.metric], evidence, alpha, rule.of, ids, mode)
    return get_rule(field_of(rule))(question)


def _outcome(
    rule: RuleConfig,
    slice_name: str | None,
    tested: Tested,
    alpha: float,
    p_pass: float | None = None,
    p_fail: float | None = None,
    family: int = 1,
) -> RuleOutcome:
    p_pass = tested.p_pass if p_pass is None else p_pass
    p_fail = tested.p_fail if p_fail is None else p_fail
    word: Outcome = "inconclusive"
    if tested.problem is None and p_pass <= alpha:
        word = "pass"
    elif tested.problem is None and p_fail <= alpha / 2:
        word = "fail"
    module = RULES[field_of(rule)].partition(":")[0]
    return RuleOutcome(
        rule=module,
        metric=tested.metric or rule.metric,
        outcome=word,
        reason=_explain(word, tested, p_pass, alpha, family),
        of=rule.of,
        versus=rule.versus,
        slice=slice_name,
        policy=rule.policy if slice_name is None else (rule.slice_policy or rule.policy),
        student=tested.of,
        teacher=tested.versus,
        difference=tested.difference,
        low=tested.low,
        high=tested.high,
        margin=rule.margin,
        max=rule.max if rule.max_ratio is None else rule.max_ratio,
        min=rule.min,
        n=tested.n,
        p_value=p_pass if tested.problem is None else None,
        alpha=alpha,
        power=tested.power,
        needed_n=tested.needed_n,
        power_assumes=None if tested.power is None else tested.assumes,
        power_signal=None if tested.plan is None else tested.plan.signal,
        power_hurdle=None if tested.plan is None else tested.plan.hurdle,
    )


def _explain(word: Outcome, tested: Tested, p_pass: float, alpha: float, family: int) -> str:
    if tested.problem is not None:
        return f"{tested.requirement}: {tested.problem}" if tested.requirement else tested.problem
    corrected = f", Holm over {family} slices" if family > 1 else ""
    shown = f"p = {p_pass:.2g}{corrected}" if 0 < p_pass < 1 else f"at {1 - alpha:.4g} confidence{corrected}"
    if word == "pass":
        return f"{tested.statement}; {tested.requirement}: shown ({shown})"
    if word == "fail":
        return f"{tested.statement}; {tested.requirement}: the data show that it is not so"
    power = "" if tested.power is None else f"; {tested.assumes} would pass {tested.power:.0%} of the time"
    rows = say_rows(tested.needed_n, tested.n)
    more = f"; {rows}" if rows else ""
    return f"{tested.statement}; {tested.requirement}: neither shown nor refuted ({shown}{power}){more}"
