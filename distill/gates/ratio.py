"""The rule `max_ratio`: the judged number divided by that of `versus` must not be above it (cost, latency).

Each number brings an interval with half of the error level a side, so together they keep alpha (Bonferroni).
"""

from __future__ import annotations

import math

from distill.gates.evidence import Measured
from distill.gates.planning import AS_MEASURED, ratio_rows
from distill.gates.question import Question, Tested
from distill.gates.wording import say
from distill.statistics.power import plan_ratio


def test_ratio(question: Question) -> Tested:
    """Test "judged / versus is not above `max_ratio`"."""
    rule = question.rule
    assert rule.max_ratio is not None
    assert rule.versus is not None
    requirement = (
        f"{question.metric.name} of {question.of} must be at most {rule.max_ratio:g} times that of {rule.versus}"
    )
    own, other = _number(question, question.of), _number(question, rule.versus)
    n = _count_measured(question)
    for name, number in ((question.of, own), (rule.versus, other)):
        if number is None or number.value is None or number.low is None or number.high is None:
            problem = f"{question.metric.name} of {name} is unknown: {_say_what_to_do(question, number)}"
            return Tested("", requirement, problem=problem, n=n)
    assert own is not None
    assert other is not None
    return _compare(question, requirement, own, other, n)


def _compare(question: Question, requirement: str, own: Measured, other: Measured, n: int) -> Tested:
    limit, unit = question.rule.max_ratio or 0.0, question.metric.unit
    value, low, high = (x or 0.0 for x in own)
    base, base_low, base_high = (x or 0.0 for x in other)
    if base_low <= 0 or base <= 0:
        problem = f"{question.metric.name} of {question.rule.versus} may be 0: there is no ratio to it"
        return Tested("", requirement, problem=problem, of=value, versus=base, n=n)
    ratio, ratio_low, ratio_high = value / base, low / base_high, high / base_low
    statement = (
        f"{question.of} {say(value, unit)}, {question.rule.versus} {say(base, unit)}: "
        f"ratio {ratio:.3g} [{ratio_low:.3g}, {ratio_high:.3g}]"
    )
    alpha = question.alpha
    plan = plan_ratio((value, low, high), (base, base_low, base_high), limit, n, alpha)
    failing = plan_ratio((-value, -high, -low), (-base, -base_high, -base_low), limit, n, alpha)
    return Tested(
        statement,
        requirement,
        0.0 if ratio_high <= limit else 1.0,
        0.0 if ratio_low > limit else 1.0,
        of=value,
        versus=base,
        difference=ratio,
        low=ratio_low,
        high=ratio_high,
        n=n,
        power=plan and plan.power(n),
        needed_n=ratio_rows(plan, failing),
        assumes=AS_MEASURED,
        plan=plan,
    )


def _say_what_to_do(question: Question, number: Measured | None) -> str:
    if question.metric.kind == "quantile" and number is not None and number.value is not None:
        return "too few rows bound it on both sides; measure more (evaluate.latency_rows)"
    if question.metric.unit == "usd":
        return "state the price or the machine's rate"
    return "it was not measured"


def _count_measured(question: Question) -> int:
    """Return the rows that the smaller of both numbers stands on."""
    counts = [
        len({p.id for p in question.rows(system) if question.metric.item(p) is not None})
        for system in (question.of, question.rule.versus or "")
        if question.measured(system) is None
    ]
    return min(counts) if counts else len({p.id for p in question.rows(question.of)})


def _number(question: Question, system: str) -> Measured | None:
    measured = question.measured(system)
    if measured is not None:
        finite = all(x is None or math.isfinite(x) for x in measured)
        return measured if finite else None
    rows = question.rows(system)
    if not rows:
        return None
    score = question.metric.aggregate(rows, 1 - question.alpha)
    return Measured(score.value, score.low, score.high)
