"""Power and needed rows of ratios, quantiles and bounds on means, held against the rules themselves by simulation.

At `needed_n`, a system that truly is as it was measured should pass about 80% of the time.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from distill.gates.bound import test_bound as ask_bound
from distill.gates.config import RuleConfig
from distill.gates.evidence import Evidence
from distill.gates.judge import judge_rule
from distill.gates.planning import rows_to_bound, rows_to_decide
from distill.gates.question import Question
from distill.metrics import GATE_METRICS, METRICS
from distill.records.decision import RuleOutcome
from distill.records.prediction import Prediction
from distill.statistics.paired import estimate_mean, mean_above_p, mean_below_p
from distill.statistics.power import NormalPlan, plan_mean, plan_ratio

ALPHA = 0.05


def rows_of(system: str, **columns: np.ndarray) -> list[Prediction]:
    n = len(next(iter(columns.values())))
    return [
        Prediction(
            f"r{i:05d}", system, 0, "a", "a", bool(columns.get("score", np.ones(n))[i] >= 1),
            float(columns.get("score", np.ones(n))[i]), None, None,
            float(columns["latency_ms"][i]) if "latency_ms" in columns else None, 1,
            int(columns["output_tokens"][i]) if "output_tokens" in columns else 1,
            float(columns["cost_usd"][i]) if "cost_usd" in columns else None, "a",
        )
        for i in range(n)
    ]  # fmt: skip


def judge(rule: RuleConfig, **systems: list[Prediction]) -> RuleOutcome:
    expected = {p.id: "" for p in systems["student"]}
    return judge_rule(rule, Evidence(expected, systems, METRICS), ALPHA)[0]


def test_a_bound_on_a_mean_says_how_many_rows_would_decide() -> None:
    rng = np.random.default_rng(0)
    rule = RuleConfig(metric="mean_score", min=0.78)
    outcome = judge(rule, student=rows_of("student", score=rng.beta(4, 1, 60) * 0.99))
    assert outcome.outcome == "inconclusive"
    assert outcome.needed_n is not None
    assert outcome.power_assumes == "a system that is as it was measured here"
    assert "as it was measured here would pass" in outcome.reason
    assert f"about {outcome.needed_n:,} rows" in outcome.reason
    plan = NormalPlan(outcome.power_signal or 0.0, outcome.power_hurdle or 0.0)
    assert outcome.power == pytest.approx(plan.power(60))


@pytest.mark.parametrize(("side", "gap"), [("max", 1.5), ("min", 1.5), ("max", 4.0)])
def test_at_the_needed_rows_a_bound_on_a_mean_passes_eight_times_in_ten(side, gap) -> None:
    """Token counts, gamma and so skewed; the plan is made from one sample of 4,000, the rule is then asked anew."""
    rng, draws = np.random.default_rng(3), 3000
    sample = rng.gamma(4, 5, 4000)
    sign = 1 if side == "max" else -1
    bound = 20 + sign * gap
    estimate = estimate_mean(sample)
    n = rows_to_decide(sign * (bound - 20), estimate.se, 4000, ALPHA)
    p = mean_below_p if side == "max" else mean_above_p
    passed = sum(p(estimate_mean(rng.gamma(4, 5, n)), bound) <= ALPHA for _ in range(draws))
    assert passed / draws == pytest.approx(0.8, abs=0.06 if n > 50 else 0.12), f"at {n} rows"


def test_at_the_needed_rows_a_mean_beyond_its_bound_is_shown_to_fail() -> None:
    rng, draws = np.random.default_rng(3), 2000
    n = rows_to_decide(-1.5, estimate_mean(rng.gamma(4, 5, 4000)).se, 4000, ALPHA)
    failed = sum(mean_above_p(estimate_mean(rng.gamma(4, 5, n)), 18.5) <= ALPHA / 2 for _ in range(draws))
    assert failed / draws == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(("rate", "bound"), [(0.02, 0.05), (0.03, 0.05), (0.08, 0.05)])
def test_at_the_needed_rows_a_quantile_is_decided_eight_times_in_ten(rate, bound) -> None:
    """The exact rule on p95: 5% of rows may lie beyond 300 ms; truly `rate` of them do."""
    n = rows_to_bound(rate, bound, ALPHA)
    rule = RuleConfig(metric="p95_latency_ms", max=300)
    wanted = "pass" if rate < bound else "fail"
    counts = np.arange(n + 1)
    likely = counts[stats.binom.pmf(counts, n, rate) > 1e-6].tolist()

    def word(k: int) -> str:
        return judge(rule, student=rows_of("student", latency_ms=np.where(np.arange(n) < k, 400.0, 20.0))).outcome

    decided = sum(stats.binom.pmf(k, n, rate) for k in likely if word(k) == wanted)
    assert 0.78 <= decided <= 0.86, f"exact power at {n} rows"


def test_a_latency_that_cannot_be_decided_says_how_many_rows_would() -> None:
    rule = RuleConfig(metric="p95_latency_ms", max=300)
    outcome = judge(rule, student=rows_of("student", latency_ms=np.where(np.arange(100) < 3, 400.0, 20.0)))
    assert outcome.outcome == "inconclusive"
    assert outcome.needed_n == rows_to_bound(0.03, 0.05, ALPHA)
    assert outcome.needed_n > 100
    assert "rows beyond it" in (outcome.power_assumes or "")


def gammas(rng: np.random.Generator, n: int, mean: float) -> np.ndarray:
    return rng.gamma(4, mean / 4, n)


RATIO = RuleConfig(metric="cost_per_1k_usd", versus="teacher", max_ratio=0.5)


def ratio_of(rng: np.random.Generator, n: int, own: float, other: float) -> RuleOutcome:
    return judge(
        RATIO,
        student=rows_of("student", cost_usd=gammas(rng, n, own)),
        teacher=rows_of("teacher", cost_usd=gammas(rng, n, other)),
    )


def test_a_ratio_that_cannot_be_decided_says_how_many_rows_would() -> None:
    outcome = ratio_of(np.random.default_rng(1), 60, 0.45, 1.0)
    assert outcome.outcome == "inconclusive"
    assert outcome.needed_n is not None
    assert outcome.needed_n > 60
    assert 0 < (outcome.power or 0) < 0.8


@pytest.mark.parametrize(("own", "word"), [(0.42, "pass"), (0.6, "fail")])
def test_at_the_needed_rows_a_ratio_is_decided_eight_times_in_ten(own, word) -> None:
    """The plan is made at the true means and spreads; the rule's own intervals then decide on fresh costs."""
    rng, draws, big = np.random.default_rng(7), 250, 20_000
    large = ratio_of(rng, big, own, 1.0)
    n = math.ceil(large.needed_n or 0)
    assert 50 < n < big
    decided = sum(ratio_of(rng, n, own, 1.0).outcome == word for _ in range(draws))
    assert decided / draws == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / draws) + 0.03), f"at {n} rows"


def test_a_plan_needs_spread_and_a_side_to_be_on() -> None:
    assert plan_mean(0.1, 0.0, 100) is None
    assert plan_ratio((0.1, 0.1, 0.1), (1.0, 1.0, 1.0), 0.5, 100) is None
    assert plan_mean(-0.1, 0.1, 100).needed() is None, "beyond the bound no number of rows passes"
    assert rows_to_bound(0.05, 0.05, ALPHA) is None


def test_a_ratio_to_a_latency_too_few_rows_bound_says_what_to_measure() -> None:
    rule = RuleConfig(metric="p99_latency_ms", versus="teacher", max_ratio=0.5)
    few = np.linspace(1, 2, 40)
    outcome = judge(rule, student=rows_of("student", latency_ms=few), teacher=rows_of("teacher", latency_ms=9 * few))
    assert outcome.outcome == "inconclusive"
    assert "evaluate.latency_rows" in outcome.reason


def test_a_cost_with_its_spread_is_planned_and_one_without_is_not() -> None:
    from distill.gates.evidence import Measured

    rule = RuleConfig(metric="cost_per_1k_usd", max=1.0)
    rows = rows_of("student", score=np.ones(200))
    measured = {"cost_per_1k_usd": {"student": Measured(0.95, 0.85, 1.05)}}
    evidence = Evidence({p.id: "" for p in rows}, {"student": rows}, METRICS, measured)
    found = ask_bound(Question(rule, METRICS["cost_per_1k_usd"], evidence, ALPHA, "student"), 1.0, "max")
    assert found.needed_n == rows_to_decide(0.05, 0.1 / stats.norm.ppf(0.975), 200, ALPHA / 2)
    fixed = {"cost_per_1k_usd": {"student": Measured(0.95, 0.95, 0.95)}}
    evidence = Evidence({p.id: "" for p in rows}, {"student": rows}, METRICS, fixed)
    found = ask_bound(Question(rule, METRICS["cost_per_1k_usd"], evidence, ALPHA, "student"), 1.0, "max")
    assert (found.power, found.needed_n) == (None, None)


def cold(starts_ms: list[float], limit: float = 5000) -> RuleOutcome:
    rows = rows_of("student", score=np.ones(300))
    samples = {"cold_p95_latency_ms": {"student": starts_ms}}
    evidence = Evidence({p.id: "" for p in rows}, {"student": rows}, GATE_METRICS, samples=samples)
    return judge_rule(RuleConfig(metric="cold_p95_latency_ms", max=limit), evidence, ALPHA)[0]


def test_a_cold_start_is_bounded_by_59_starts_and_not_by_one() -> None:
    one, many, slow = cold([800.0]), cold([800.0 + i for i in range(59)]), cold([9000.0] * 20)
    assert (one.outcome, one.n, one.needed_n) == ("inconclusive", 1, 59)
    assert (many.outcome, many.n) == ("pass", 59)
    assert slow.outcome == "fail"


def test_without_a_start_nothing_is_known_of_them() -> None:
    rows = rows_of("student", score=np.ones(300))
    evidence = Evidence({p.id: "" for p in rows}, {"student": rows}, GATE_METRICS)
    outcome = judge_rule(RuleConfig(metric="cold_p95_latency_ms", max=5000), evidence, ALPHA)[0]
    assert outcome.outcome == "inconclusive"
