"""Non-inferiority with gold on a few rows only: PPI++ lets the many teacher-labelled rows help (arXiv:2311.01453).

Per gold row y = student right - teacher right; the proxy, known on every row, is f = agrees - 1. The estimate of the
mean of y stays unbiased whatever f is worth; a useful f makes it narrower.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from distill.gates.planning import rows_to_decide
from distill.gates.question import Question, Tested
from distill.gates.wording import say_difference
from distill.records.prediction import Prediction
from distill.statistics.power import plan_mean
from distill.statistics.ppi import PoweredMean, powered_mean

MIN_GOLD_ROWS = 50


def count_gold(question: Question) -> int:
    """Return how many of the question's rows have gold for the judged system."""
    return sum(p.gold_score is not None for p in question.rows(question.of) if p.repeat == 0)


def test_powered(question: Question) -> Tested:
    """Test "worse than the teacher by less than the margin", against gold where there is gold."""
    margin = question.rule.margin or 0.0
    requirement = (
        f"{question.of} must be worse than teacher by less than {say_difference(margin, 'fraction').lstrip('+')}"
    )
    own = {p.id: p for p in question.rows(question.of) if p.repeat == 0}
    teacher = {p.id: p for p in question.rows("teacher") if p.repeat == 0}
    gold = [name for name, p in own.items() if p.gold_score is not None and name in teacher]
    rest = [name for name in own if name not in set(gold)]
    if any(own[name].cluster is not None for name in own) and len({own[name].cluster or name for name in own}) < len(
        own
    ):
        problem = "rows of one group repeat, which PPI++ here does not allow for; bring gold for every row"
        return Tested("", requirement, problem=problem, n=len(gold))
    y = np.array([_right(own[name]) - _right(teacher[name]) for name in gold])
    if len(rest) < 2 or np.ptp(y) == 0:
        problem = f"the {len(gold)} gold rows show no difference at all: no spread to test by"
        return Tested("", requirement, problem=problem, n=len(gold))
    found = powered_mean(y, [own[name].score - 1 for name in gold], [own[name].score - 1 for name in rest])
    return _report(question, requirement, found, y, len(gold), len(rest), margin)


def _report(
    question: Question, requirement: str, found: PoweredMean, y: np.ndarray, n: int, others: int, margin: float
) -> Tested:
    low, high = found.interval(1 - question.alpha)
    t = (found.mean + margin) / found.se
    gained = (float(y.std(ddof=1)) / math.sqrt(n) / found.se) ** 2
    plan = plan_mean(margin, found.se, n, question.alpha)
    statement = (
        f"{question.of} minus teacher against gold: {say_difference(found.mean, 'fraction')} "
        f"[{say_difference(low, 'fraction')}, {say_difference(high, 'fraction')}] from {n} gold rows helped by "
        f"{others} others (PPI++, weight {found.weight:.2f}: worth {gained * n:.0f} gold rows)"
    )
    return Tested(
        statement,
        requirement,
        p_pass=float(special.stdtr(n - 1, -t)),
        p_fail=float(special.stdtr(n - 1, t)),
        difference=found.mean,
        low=low,
        high=high,
        n=n,
        power=plan and plan.power(n),
        needed_n=rows_to_decide(margin + min(0.0, found.mean), found.se, n, question.alpha),
        plan=plan,
    )


def _right(prediction: Prediction) -> float:
    return float((prediction.gold_score or 0.0) >= 1.0)
