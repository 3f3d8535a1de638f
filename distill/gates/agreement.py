"""Non-inferiority without gold: agreement A with the teacher proves it where A >= 1 - margin. It is never accuracy."""

from __future__ import annotations

from distill.gates.question import Column, Question, Tested
from distill.statistics.agreement import most_agreement_possible
from distill.statistics.clusters import MIN_CLUSTERS, design_effect
from distill.statistics.proportions import above_p_value, below_p_value, clopper_pearson_interval


def test_agreement(question: Question, column: Column) -> Tested:
    """Test "agreement is at least 1 - margin", from which p_teacher - p_student <= margin follows."""
    floor, n = 1 - (question.rule.margin or 0.0), len(column.ids)
    requirement = f"agreement with the teacher must be at least {floor:.2%}, which proves a loss under the margin"
    if n == 0:
        return Tested("", requirement, problem="there are no rows", metric="agreement")
    k, size = float(column.values.sum()), float(n)
    if column.clusters is not None:
        effect = design_effect(column.values, column.clusters)
        if effect.clusters < MIN_CLUSTERS:
            problem = f"{effect.clusters} clusters are too few ({MIN_CLUSTERS} needed)"
            return Tested("", requirement, problem=problem, n=n, metric="agreement")
        k, size = k / effect.factor, size / effect.factor
    low, high = clopper_pearson_interval(k, size, 1 - question.alpha)
    rate = float(column.values.mean())
    statement = (
        f"{question.of} agrees with the teacher on {rate:.2%} [{low:.2%}, {high:.2%}] of {n} rows; there is no "
        f"gold, so this is agreement, not accuracy: where the teacher is right q of the time, it is right between "
        f"A + q - 1 and 1 - |A - q|"
    )
    ceiling = question.evidence.self_agreement
    if ceiling is not None:
        best = most_agreement_possible(ceiling)
        statement += f"; the teacher agrees with itself {ceiling:.2%}, so at best {best.high:.2%} is possible"
        if best.high < floor:
            problem = f"{statement}: this gate cannot be met by any student; set a margin above {1 - best.high:.2%}"
            return Tested(statement, requirement, problem=problem, of=rate, n=n, metric="agreement")
    return Tested(
        statement,
        requirement,
        p_pass=above_p_value(k, size, floor),
        p_fail=below_p_value(k, size, floor),
        of=rate,
        versus=1.0,
        difference=rate - 1,
        low=low - 1,
        high=high - 1,
        n=n,
        metric="agreement",
    )
