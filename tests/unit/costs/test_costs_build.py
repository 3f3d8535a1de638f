from __future__ import annotations

import json
from dataclasses import replace

import pytest

from distill.costs import CostInputs, CostsConfig, ServingCostConfig, TrainingCostConfig, build_costs, cascade_curve


def test_the_contracts_fields_are_there_and_are_json(inputs: CostInputs, config: CostsConfig) -> None:
    body = json.loads(json.dumps(build_costs(inputs, config).to_json(), allow_nan=False))
    contract = {"teacher", "student", "one_off", "break_even_requests", "monthly", "assumptions", "warnings"}
    assert contract <= body.keys()
    assert {"estimate", "low", "high"} == body["break_even_requests"].keys()
    assert body["teacher"]["per_1k_usd"] > 0


def test_one_off_costs_are_bought_answers_and_machine_time(inputs: CostInputs, config: CostsConfig) -> None:
    one_off = build_costs(inputs, config).one_off
    assert one_off.training_usd == pytest.approx(240 / 3600 * 2.5)
    assert one_off.evaluation_usd == pytest.approx(30 / 3600 * 2.5 + 0.4)
    assert one_off.total_usd == pytest.approx(2.4 + 270 / 3600 * 2.5 + 0.4)


def test_ledger_lines_paid_once_add_up_to_the_one_off_costs(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(inputs, config)
    once = [entry.usd for entry in costs.ledger if entry.per == "run"]
    assert sum(usd or 0.0 for usd in once) == pytest.approx(costs.one_off.total_usd)


def test_ledger_lines_paid_monthly_add_up_to_the_monthly_bill(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(inputs, config)
    monthly = [entry.usd or 0.0 for entry in costs.ledger if entry.per == "month"]
    assert sum(monthly) == pytest.approx(costs.monthly.cascade_usd)


def test_unknown_prices_stay_null_and_are_warned_about(inputs: CostInputs) -> None:
    costs = build_costs(inputs, CostsConfig(student=ServingCostConfig(), training=TrainingCostConfig()))
    assert costs.student.per_1k_usd is None
    assert costs.one_off.training_usd is None
    assert costs.break_even.state == "unknown"
    assert costs.to_json()["break_even_requests"] is None
    assert any("costs.student.usd_per_hour" in warning for warning in costs.warnings)
    assert any("costs.training.usd_per_hour" in warning for warning in costs.warnings)


def test_rows_without_a_price_fall_back_to_the_ledgers_mean_and_say_so(inputs: CostInputs, config: CostsConfig) -> None:
    bare = replace(inputs, rows=tuple(replace(row, teacher_cost_usd=None) for row in inputs.rows))
    costs = build_costs(bare, config)
    assert costs.teacher.per_1k_usd == pytest.approx(2.4 / 2000 * 1000)
    assert costs.teacher.per_1k_low_usd is None
    assert any("held-out answers carry no price" in warning for warning in costs.warnings)


def test_cost_per_success_uses_the_systems_own_accuracy(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(inputs, config)
    assert costs.cascade is not None
    expected = costs.cascade.per_1k_usd / 1000 / costs.cascade.accuracy
    assert costs.cascade.per_success_usd == pytest.approx(expected)


def test_the_curve_runs_from_student_always_to_teacher_always(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(inputs, config)
    first, last = costs.cascade_curve[0], costs.cascade_curve[-1]
    assert first.escalation_rate == 0
    assert first.accuracy == costs.student.accuracy
    assert last.escalation_rate == 1
    assert last.accuracy == costs.teacher.accuracy
    assert last.p50_ms == 405.0


def test_a_higher_threshold_never_escalates_less(inputs: CostInputs) -> None:
    rates = [point.escalation_rate for point in cascade_curve(inputs.rows, 0.01, 1.0)]
    assert rates == sorted(rates)


def test_without_confidence_there_is_no_curve_and_all_is_escalated(inputs: CostInputs, config: CostsConfig) -> None:
    mute = replace(inputs, rows=tuple(replace(row, confidence=None) for row in inputs.rows))
    costs = build_costs(mute, config)
    assert costs.cascade_curve == ()
    assert costs.cascade is not None
    assert costs.cascade.escalation_rate == 1


def test_renewal_is_paid_again_in_the_total_cost(inputs: CostInputs, config: CostsConfig) -> None:
    once = build_costs(inputs, config)
    quarterly = build_costs(inputs, config.model_copy(update={"redistil_every_days": 92.0}))
    assert quarterly.total_cost.distillations == 4
    extra = quarterly.total_cost.system_usd - once.total_cost.system_usd
    assert extra == pytest.approx(3 * once.one_off.total_usd)


def test_the_same_seed_gives_the_same_numbers(inputs: CostInputs, config: CostsConfig) -> None:
    assert build_costs(inputs, config) == build_costs(inputs, config)
