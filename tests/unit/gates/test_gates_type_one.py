"""How often each rule passes a system that lies exactly on its bound: at most alpha, up to Monte-Carlo error.

The rules decide on counts or on moments, so each distinct table is judged once by the real rule and weighted by how
often it was drawn (or, where there is one count only, by its exact probability).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.gates.evidence import Evidence
from distill.gates.judge import judge_rule
from distill.gates.non_inferiority import _binary_gap, _score_gap
from distill.gates.question import Question
from distill.metrics import METRICS
from distill.records.prediction import Prediction
from distill.statistics.paired import estimate_mean, mean_above_p
from distill.statistics.tango import tango_score
from distill.statistics.tango_exact import exact_critical_value, probability_of_passing

ALPHA = 0.05
SIZES = [200, pytest.param(1000, marks=pytest.mark.slow)]
EMPTY = Evidence({}, {}, METRICS, resamples=199)


def allowed(draws: int, alpha: float = ALPHA) -> float:
    """Nominal plus three standard errors of the simulation."""
    return alpha + 3 * math.sqrt(alpha * (1 - alpha) / draws)


def ask(rule: RuleConfig, mode: Any = "auto", evidence: Evidence = EMPTY) -> Question:
    return Question(rule, METRICS[rule.metric], evidence, ALPHA, rule.of, None, mode)


def margin_rule(margin: float, metric: str = "accuracy") -> RuleConfig:
    return RuleConfig(metric=metric, versus="teacher", margin=margin)


def table_rate(n: int, margin: float, psi: float, mode: str, draws: int = 20_000) -> float:
    """Share of passes at D = -margin, over drawn tables; each distinct table is judged once."""
    rng = np.random.default_rng(n + round(1000 * psi))
    drawn = rng.multinomial(n, [(psi - margin) / 2, (psi + margin) / 2, 1 - psi], size=draws)
    question = ask(margin_rule(margin), mode)
    passed = 0
    for (b, c, same), count in Counter(map(tuple, drawn.tolist())).items():
        gap = _binary_gap(np.repeat([1.0, -1.0, 0.0], [b, c, same]), None, question)
        passed += count * (gap.p_pass <= ALPHA)
    return passed / draws


@pytest.mark.parametrize(("margin", "psi"), [(0.02, 0.03), (0.05, 0.06), (0.05, 0.10), (0.05, 0.30)])
def test_the_exact_margin_keeps_alpha_at_every_discordance(margin, psi) -> None:
    assert table_rate(200, margin, psi, "exact") <= allowed(20_000)


@pytest.mark.parametrize("psi", [0.06, 0.10, 0.30])
def test_the_score_margin_keeps_alpha_where_its_source_says_so(psi) -> None:
    assert table_rate(200, 0.05, psi, "score") <= allowed(20_000, 0.051), "Tango: at most 5.1% for psi >= .05"


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
def test_the_size_of_the_exact_margin_is_below_alpha_on_a_fine_grid(n, margin) -> None:
    """No simulation: the chance of every table that the rule passes, summed, at 60 discordances."""
    critical = exact_critical_value(n, margin, ALPHA)
    sizes = [probability_of_passing(n, margin, critical, float(psi), -margin) for psi in np.linspace(margin, 1, 60)]
    assert 0.03 < max(sizes) <= ALPHA


@pytest.mark.parametrize("psi", [0.05, 0.10, 0.30])
def test_the_size_of_the_score_margin_at_a_thousand_rows(psi) -> None:
    assert probability_of_passing(1000, 0.05, 1.6448536, psi, -0.05) <= 0.051


@pytest.mark.parametrize("n", [200, 1000])
def test_the_rule_passes_exactly_the_tables_whose_chance_is_summed(n) -> None:
    rng, question = np.random.default_rng(n), ask(margin_rule(0.05), "exact")
    critical = exact_critical_value(n, 0.05, ALPHA)
    for b, c, same in rng.multinomial(n, [0.03, 0.05, 0.92], size=25).tolist():
        gap = _binary_gap(np.repeat([1.0, -1.0, 0.0], [b, c, same]), None, question)
        assert (gap.p_pass <= ALPHA) == (tango_score(b, c, n, -0.05) >= critical - 1e-6)


def test_comparing_means_would_promote_half_of_what_should_not_be() -> None:
    rng = np.random.default_rng(1)
    b, c, _ = rng.multinomial(200, [0.025, 0.075, 0.9], size=20_000).T
    assert ((b - c) / 200 >= -0.05).mean() > 0.45, "the simulation is able to fail"


SHAPES = [  # differences whose mean is exactly -.05: even, few large losses, very few, few large gains
    ([-0.5, 0.0, 0.25], [0.2, 0.6, 0.2]),
    ([-1.0, 0.0, 0.1], [0.06, 0.84, 0.1]),
    ([-1.0, 0.0], [0.05, 0.95]),
    ([-0.1, 0.4], [0.9, 0.1]),
]


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize(("values", "shares"), SHAPES)
def test_a_margin_on_partial_scores_keeps_alpha_whatever_their_shape(n, values, shares) -> None:
    rng, draws = np.random.default_rng(n), 4000
    drawn = rng.choice(values, p=shares, size=(draws, n))
    passed = sum(mean_above_p(estimate_mean(row), -0.05) <= ALPHA for row in drawn)
    assert passed / draws <= allowed(draws)


def test_plain_t_would_not_keep_alpha_where_a_few_losses_are_large() -> None:
    drawn = np.random.default_rng(1).choice([-1.0, 0.0, 0.1], p=[0.06, 0.84, 0.1], size=(4000, 200))
    t = (drawn.mean(axis=1) + 0.05) / (drawn.std(axis=1, ddof=1) / np.sqrt(200))
    assert (stats.t.sf(t, 199) <= ALPHA).mean() > 0.07


def test_the_rule_on_partial_scores_decides_by_that_test() -> None:
    row = np.random.default_rng(2).choice([-0.5, 0.0, 0.25], p=[0.2, 0.6, 0.2], size=300)
    gap = _score_gap(row, None, ask(margin_rule(0.1, "mean_score")))
    assert gap.p_pass == mean_above_p(estimate_mean(row), -0.1)


@pytest.mark.parametrize("n", SIZES)
def test_a_margin_over_clusters_keeps_alpha_where_ignoring_them_would_not(n) -> None:
    rng, question, draws = np.random.default_rng(n), ask(margin_rule(0.05)), 500
    clusters = [f"g{i // 5}" for i in range(n)]
    passed = naive = 0
    for _ in range(draws):
        shared = np.repeat(rng.choice([1.0, -1.0, 0.0], p=[0.05, 0.10, 0.85], size=n // 5), 5)
        passed += _binary_gap(shared, clusters, question).p_pass <= ALPHA
        naive += _binary_gap(shared, None, ask(margin_rule(0.05), "score")).p_pass <= ALPHA
    assert passed / draws <= allowed(draws)
    assert naive / draws > 0.10


def predictions(system: str, right: np.ndarray) -> list[Prediction]:
    return [
        Prediction(f"r{i:04d}", system, 0, "a", "ba"[ok], bool(ok), float(ok), 0.9, None, 5.0, 1, 1, 0.001, "a")
        for i, ok in enumerate(right.tolist())
    ]  # fmt: skip


def exact_rate(
    n: int, share: float, rule: RuleConfig, make: Callable[[int], list[Prediction]], passes: str = "pass"
) -> float:
    """Exact chance to pass at the bound: every count from 0 to n judged by the rule, weighted by its probability."""
    weights = stats.binom.pmf(np.arange(n + 1), n, share)
    total = 0.0
    for k in np.flatnonzero(weights > 1e-9).tolist():
        rows = make(k)
        evidence = Evidence({p.id: "" for p in rows}, {"student": rows}, METRICS, reference="teacher")
        outcome = judge_rule(rule, evidence, ALPHA)[0].outcome
        total += float(weights[k]) * (outcome == passes)
    return total


@pytest.mark.parametrize("n", SIZES)
def test_a_ceiling_keeps_alpha_exactly(n) -> None:
    rule = RuleConfig(metric="failure_rate", max=0.03)
    rows = predictions("student", np.ones(n, bool))

    def fail(k: int) -> list[Prediction]:
        return [replace(p, error_kind="timeout", correct=False, score=0.0) for p in rows[:k]] + rows[k:]

    assert 0.01 < exact_rate(n, 0.03, rule, fail) <= ALPHA


@pytest.mark.parametrize("n", SIZES)
def test_a_floor_keeps_alpha_exactly(n) -> None:
    rule = RuleConfig(metric="accuracy", min=0.9)
    assert 0.01 < exact_rate(n, 0.9, rule, lambda k: predictions("student", np.arange(n) < k)) <= ALPHA


@pytest.mark.parametrize("n", SIZES)
def test_a_bound_on_a_quantile_keeps_alpha_exactly(n) -> None:
    rule = RuleConfig(metric="p95_latency_ms", max=100)
    rows = predictions("student", np.ones(n, bool))

    def slow(k: int) -> list[Prediction]:
        return [replace(p, latency_ms=200.0 if i < k else 50.0 + i / n) for i, p in enumerate(rows)]

    assert 0.005 < exact_rate(n, 0.05, rule, slow) <= ALPHA


@pytest.mark.parametrize("n", SIZES)
def test_agreement_keeps_alpha_exactly(n) -> None:
    rate = exact_rate(n, 0.95, margin_rule(0.05), lambda k: predictions("student", np.arange(n) < k))
    assert 0.01 < rate <= ALPHA


@pytest.mark.parametrize("n", SIZES)
def test_being_shown_to_fail_is_as_rare_for_a_system_on_the_bound(n) -> None:
    rule = RuleConfig(metric="accuracy", min=0.9)
    assert exact_rate(n, 0.9, rule, lambda k: predictions("student", np.arange(n) < k), "fail") <= ALPHA / 2


@pytest.mark.parametrize("n", SIZES)
def test_a_ratio_of_costs_keeps_alpha(n) -> None:
    rng, draws = np.random.default_rng(n), 400 if n == 200 else 120
    rule = RuleConfig(metric="cost_per_1k_usd", versus="teacher", max_ratio=0.5)
    base = {name: predictions(name, np.ones(n, bool)) for name in ("student", "teacher")}
    passed = 0
    for _ in range(draws):
        own, other = rng.gamma(4, 0.25 / 2, n), rng.gamma(4, 0.25, n)
        rows = {
            "student": [replace(p, cost_usd=float(x)) for p, x in zip(base["student"], own, strict=True)],
            "teacher": [replace(p, cost_usd=float(x)) for p, x in zip(base["teacher"], other, strict=True)],
        }
        passed += (
            judge_rule(rule, Evidence({p.id: "" for p in base["student"]}, rows, METRICS), ALPHA)[0].outcome == "pass"
        )
    assert passed / draws <= allowed(draws)


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
def test_macro_f1_by_resampling_keeps_alpha(n) -> None:
    rng, draws, names = np.random.default_rng(n), 250 if n == 200 else 100, np.array(["a", "b", "c"])
    passed = 0
    for _ in range(draws):
        truth = rng.choice(names, n)
        systems = {}
        for system, share in (("teacher", 0.9), ("student", 0.8)):  # balanced classes: macro-F1 falls by the same .1
            said = np.where(
                rng.random(n) < share, truth, names[(np.searchsorted(names, truth) + rng.integers(1, 3, n)) % 3]
            )
            systems[system] = [
                Prediction(f"r{i:04d}", system, 0, s, s, s == t, float(s == t), None, None, None, None, None, None, t)
                for i, (s, t) in enumerate(zip(said.tolist(), truth.tolist(), strict=True))
            ]
        evidence = Evidence({p.id: "" for p in systems["student"]}, systems, METRICS, resamples=499)
        passed += judge_rule(margin_rule(0.1, "macro_f1"), evidence, ALPHA)[0].outcome == "pass"
    assert passed / draws <= allowed(draws)


def test_slices_together_keep_alpha() -> None:
    """Four slices, each exactly on its floor: the chance that any is claimed stays at alpha (Holm)."""
    rng, draws, n = np.random.default_rng(0), 400, 240
    rule = RuleConfig(metric="accuracy", min=0.9, per_slice=True, min_n=30)
    any_claimed = 0
    for _ in range(draws):
        rows = predictions("student", rng.random(n) < 0.9)
        rows = [replace(p, slices={"s": str(i % 4)}) for i, p in enumerate(rows)]
        outcomes = judge_rule(rule, Evidence({p.id: "" for p in rows}, {"student": rows}, METRICS), ALPHA)
        any_claimed += any(o.outcome == "pass" for o in outcomes if o.slice is not None)
    assert any_claimed / draws <= allowed(draws)


def test_two_rules_on_their_bounds_promote_less_often_than_one() -> None:
    rng, draws, n = np.random.default_rng(0), 300, 200
    gate = GateConfig(rules=(margin_rule(0.05), RuleConfig(metric="accuracy", min=0.85)))
    promoted = 0
    for _ in range(draws):
        teacher = rng.random(n) < 0.9
        flips = rng.choice(3, p=[0.9, 0.025, 0.075], size=n)
        student = np.where(flips == 1, True, np.where(flips == 2, False, teacher))
        rows = {"student": predictions("student", student), "teacher": predictions("teacher", teacher)}
        promoted += decide(Evidence({p.id: "" for p in rows["student"]}, rows, METRICS), gate).decision == "promote"
    assert promoted / draws <= allowed(draws)
