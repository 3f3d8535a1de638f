"""What looking again costs: the level of each look, and the chance that any of many looks promotes wrongly."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.statistics.looks import bound_over_looks, spend_alpha

N, FLOOR, LOOKS = 300, 0.9, 12
RULE = RuleConfig(metric="accuracy", min=FLOOR)


def test_the_kth_look_has_the_level_of_the_golden_page() -> None:
    assert [spend_alpha(0.05, k) for k in (1, 2, 3)] == [0.05, pytest.approx(0.05 / 6), pytest.approx(0.05 / 12)]
    assert [spend_alpha(0.05, k, spending="spend") for k in (1, 2)] == [0.025, pytest.approx(0.05 / 6)]
    assert spend_alpha(0.05, 3, allowed_looks=3) == 0.05


@pytest.mark.parametrize(
    ("spending", "allowed", "ever"), [("allow", 1, 0.075), ("allow", 3, 0.1625), ("spend", 3, 0.05)]
)
def test_the_bound_is_the_sum_of_the_levels_however_many_looks(spending, allowed, ever) -> None:
    levels = [spend_alpha(0.05, k, allowed, spending) for k in range(1, 5001)]
    sums = list(itertools.accumulate(levels))
    for looks in (1, 2, 3, 4, 50):
        assert bound_over_looks(0.05, allowed, spending, looks) == pytest.approx(sums[looks - 1])
    assert bound_over_looks(0.05, allowed, spending) == pytest.approx(ever)
    assert sums[-1] < ever


def test_the_decision_says_what_all_looks_together_cost(evidence_of) -> None:
    evidence = replace(evidence_of(student=[True] * N), look=2)
    allow = decide(evidence, GateConfig(rules=(RULE,))).looks
    spend = decide(evidence, GateConfig(rules=(RULE,), looks="spend")).looks
    assert allow is not None
    assert spend is not None
    assert (allow.alpha, allow.bound_ever) == (pytest.approx(0.05 / 6), pytest.approx(0.075))
    assert "at most 0.075 over all looks ever" in allow.statement
    assert (spend.bound_so_far, spend.bound_ever) == (pytest.approx(0.05 * 2 / 3), pytest.approx(0.05))


def test_a_first_look_that_spends_is_told_of_in_the_notes(evidence_of) -> None:
    decision = decide(evidence_of(student=[True] * N), GateConfig(rules=(RULE,), looks="spend"))
    assert "tested at 0.025 instead of 0.05" in decision.notes[0]


def least_that_passes(evidence_of, look: int, spending: str) -> int:
    """Return the fewest right answers of N that the gate promotes at this look."""
    gate = GateConfig(rules=(RULE,), looks=spending)
    low, high = int(FLOOR * N) - 1, N
    while high - low > 1:
        middle = (low + high) // 2
        evidence = replace(evidence_of(student=[i < middle for i in range(N)]), look=look)
        low, high = (low, middle) if decide(evidence, gate).decision == "promote" else (middle, high)
    return high


@pytest.mark.parametrize("likeness", [0.0, 0.7])
def test_many_looks_at_students_on_the_bound_cost_what_is_said(evidence_of, likeness) -> None:
    """Twelve students in turn, each right on 90% of what comes: `likeness`: the share of rows on which all agree."""
    rng, draws = np.random.default_rng(5), 20_000
    together = round(likeness * N)
    shared = rng.binomial(together, FLOOR, size=(draws, 1))
    right = shared + rng.binomial(N - together, FLOOR, size=(draws, LOOKS))
    error = 3 * (0.05 * 0.95 / draws) ** 0.5
    rates = {}
    for spending in ("allow", "spend"):
        least = np.array([least_that_passes(evidence_of, look, spending) for look in range(1, LOOKS + 1)])
        rates[spending] = float((right >= least).any(axis=1).mean())
    first = least_that_passes(evidence_of, 1, "allow")
    assert rates["spend"] <= 0.05 + error
    assert rates["allow"] <= 0.075 + error
    assert float((right >= first).any(axis=1).mean()) > 0.1, "without spending, twelve looks promote too often"
