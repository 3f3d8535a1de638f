from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.costs import CostsConfig, ServingCostConfig
from distill.costs.breakeven import Economics, compute_break_even

ECONOMICS = Economics(
    one_off_usd=10.0, teacher_costs_usd=(0.001,) * 200, throughput_per_s=100.0, escalated=0, n_rows=200
)


def test_the_point_is_one_off_over_saving(config: CostsConfig) -> None:
    found = compute_break_even(ECONOMICS, config)
    saving = 0.001 * (1 - 0.02) - 0.8 / (100 * 0.5 * 3600)
    assert found.state == "pays_back"
    assert found.requests.estimate == pytest.approx(10.0 / saving)
    assert found.days.estimate == pytest.approx(10.0 / saving / 10_000)


def test_the_band_holds_the_point(config: CostsConfig) -> None:
    band = compute_break_even(ECONOMICS, config).requests
    assert band.low < band.estimate < band.high


def test_a_student_dearer_than_the_teacher_never_pays_back(config: CostsConfig) -> None:
    dear = config.model_copy(update={"student": ServingCostConfig(usd_per_hour=500.0)})
    found = compute_break_even(ECONOMICS, dear)
    assert found.state == "never"
    assert found.requests.estimate is None
    assert found.never_share == 1.0
    assert "nothing is ever earned back" in found.reason


def test_renewal_before_break_even_never_pays_back(config: CostsConfig) -> None:
    hasty = config.model_copy(update={"redistil_every_days": 0.5})
    found = compute_break_even(ECONOMICS, hasty)
    assert found.state == "never"
    assert "distilled anew every" in found.reason


def test_escalation_puts_break_even_off(config: CostsConfig) -> None:
    half = Economics(10.0, (0.001,) * 200, 100.0, escalated=100, n_rows=200)
    assert compute_break_even(half, config).requests.estimate > 1.9 * 10.0 / 0.001


def test_a_wide_band_may_end_in_never(config: CostsConfig) -> None:
    close = config.model_copy(update={"student": ServingCostConfig(usd_per_hour=160.0, utilisation=0.5)})
    found = compute_break_even(ECONOMICS, close)
    assert found.state == "pays_back"
    assert found.requests.high is None
    assert 0.05 < found.never_share < 0.9


def test_what_is_missing_is_named(config: CostsConfig) -> None:
    found = compute_break_even(Economics(None, (), None, 0, 0), config)
    assert found.state == "unknown"
    assert "the teacher's price" in found.reason
    assert "throughput" in found.reason


@settings(max_examples=25, deadline=None)
@given(one_off=st.floats(0.01, 1e4), price=st.floats(1e-6, 0.1), escalated=st.integers(0, 200), seed=st.integers(0, 99))
def test_a_finite_point_means_pays_back(one_off: float, price: float, escalated: int, seed: int) -> None:
    config = CostsConfig(student=ServingCostConfig(usd_per_hour=0.8), simulations=200, seed=seed)
    found = compute_break_even(Economics(one_off, (price,) * 200, 100.0, escalated, 200), config)
    assert (found.requests.estimate is not None) == (found.state == "pays_back")
