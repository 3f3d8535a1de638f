"""A few rows with gold among many without: the rule is judged against gold, helped by the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.gates.evidence import Evidence
from distill.gates.judge import judge_rule
from distill.metrics import METRICS
from distill.records.prediction import Prediction

RULE = RuleConfig(metric="accuracy", versus="teacher", margin=0.05)


def make(n: int, gold: int, agree: float, repairs: float, rng: np.random.Generator) -> Evidence:
    """Where the student parts from the teacher, it is right with chance `repairs`, else the teacher is."""
    rows: dict[str, list[Prediction]] = {"student": [], "teacher": []}
    agrees, fixes, both = rng.random(n) < agree, rng.random(n) < repairs, rng.random(n) < 0.95
    for i in range(n):
        student_right = bool(both[i]) if agrees[i] else bool(fixes[i])
        teacher_right = bool(both[i]) if agrees[i] else not fixes[i]
        for system, right, same in (("student", student_right, agrees[i]), ("teacher", teacher_right, True)):
            rows[system].append(
                Prediction(f"r{i:05d}", system, 0, "a", "ba"[int(same)], bool(same), float(same), 0.9, None, 5.0, 1, 1,
                           0.001, "a", gold_score=float(right) if i < gold else None)
            )  # fmt: skip
    return Evidence({p.id: "" for p in rows["student"]}, rows, METRICS, reference="teacher")


def test_a_student_that_repairs_as_much_as_it_breaks_is_promoted_where_agreement_alone_could_not() -> None:
    evidence = make(3000, 600, 0.90, 0.5, np.random.default_rng(0))
    decision = decide(evidence, GateConfig(rules=(RULE,)))
    assert decision.decision == "promote"
    assert "PPI++" in decision.rules[0].reason
    assert decision.rules[0].n == 600
    bare = [replace(p, gold_score=None) for p in evidence.predictions["student"]]
    without = replace(evidence, predictions={**evidence.predictions, "student": bare})
    assert decide(without, GateConfig(rules=(RULE,))).decision == "hold", "agreement of 90% cannot prove 95%"


def test_a_student_that_only_breaks_is_held() -> None:
    evidence = make(3000, 600, 0.85, 0.0, np.random.default_rng(1))
    assert decide(evidence, GateConfig(rules=(RULE,))).decision == "hold"


def test_too_little_gold_falls_back_on_agreement() -> None:
    evidence = make(2000, 49, 0.99, 0.5, np.random.default_rng(2))
    assert judge_rule(RULE, evidence, 0.05)[0].metric == "agreement"


def test_gold_rows_without_any_difference_decide_nothing() -> None:
    evidence = make(500, 100, 1.0, 0.5, np.random.default_rng(3))
    outcome = judge_rule(RULE, evidence, 0.05)[0]
    assert outcome.outcome == "inconclusive"
    assert "no spread" in outcome.reason


@pytest.mark.parametrize("gold", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_student_on_the_margin_is_promoted_at_most_alpha_of_the_time(gold) -> None:
    rng, draws = np.random.default_rng(gold), 300 if gold == 200 else 100
    # parts on 20% of the rows and is right on 37.5% of those: 20% * (2 * .375 - 1) = -5%, the margin
    passed = sum(
        judge_rule(RULE, make(2 * gold, gold, 0.8, 0.375, rng), 0.05)[0].outcome == "pass" for _ in range(draws)
    )
    assert passed / draws <= 0.05 + 3 * (0.05 * 0.95 / draws) ** 0.5
