from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.costs import ServingCostConfig, cascade_cost_per_1k_usd, cost_per_success_usd, student_cost_per_1k_usd
from distill.costs.serving import amdahl_speedup, count_machines


def test_student_price_is_rate_over_throughput_and_utilisation() -> None:
    config = ServingCostConfig(usd_per_hour=0.9, utilisation=0.5)
    assert student_cost_per_1k_usd(50.0, config) == pytest.approx(0.9 / (50 * 3600 * 0.5) * 1000)


@pytest.mark.parametrize(
    ("throughput", "rate"), [(None, 0.8), (0.0, 0.8), (50.0, None)], ids=["unmeasured", "nothing served", "no rate"]
)
def test_an_unknown_price_is_none_and_never_zero(throughput: float | None, rate: float | None) -> None:
    assert student_cost_per_1k_usd(throughput, ServingCostConfig(usd_per_hour=rate)) is None


def test_cascade_pays_the_student_for_all_and_the_teacher_for_the_escalated() -> None:
    assert cascade_cost_per_1k_usd(0.01, 2.0, 0.25) == pytest.approx(0.51)
    assert cascade_cost_per_1k_usd(0.01, None, 0.0) == 0.01
    assert cascade_cost_per_1k_usd(0.01, None, 0.25) is None
    assert cascade_cost_per_1k_usd(None, 2.0, 0.25) is None


def test_an_escalation_rate_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        cascade_cost_per_1k_usd(0.01, 2.0, 1.5)


def test_cost_per_success_divides_by_right_answers() -> None:
    assert cost_per_success_usd(2.0, 0.5) == pytest.approx(0.004)
    assert cost_per_success_usd(2.0, 0.0) is None


def test_traffic_beyond_one_machine_needs_whole_machines() -> None:
    assert count_machines(1.0, 10.0, 0.5) == 1
    assert count_machines(10 * 86_400 * 0.5 + 1, 10.0, 0.5) == 2


def test_a_free_model_at_half_the_latency_speeds_up_at_most_twofold() -> None:
    speedup = amdahl_speedup(1000.0, 0.001, share=0.5)
    assert speedup.bound == 2.0
    assert speedup.end_to_end == pytest.approx(2.0, rel=1e-5)


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0.01, 1.0))
def test_no_speedup_passes_the_bound(teacher_ms: float, system_ms: float, share: float) -> None:
    speedup = amdahl_speedup(teacher_ms, system_ms, share)
    assert speedup.bound is None or speedup.end_to_end <= speedup.bound + 1e-9
