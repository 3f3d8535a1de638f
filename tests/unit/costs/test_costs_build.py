from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from distill.costs import (
    CostInputs,
    CostsConfig,
    LedgerEntry,
    ServingCostConfig,
    TeacherLedger,
    TrainingCostConfig,
    build_costs,
    cascade_curve,
)


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
    assert sum(monthly) == pytest.approx(costs.monthly.system_usd)
    assert costs.monthly.system_usd == pytest.approx(costs.monthly.cascade_usd + costs.monthly.audit_usd)


def test_audits_are_paid_on_what_the_student_answers_itself(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(inputs, config)
    kept = 1 - costs.cascade.escalation_rate
    assert costs.monthly.audit_usd == pytest.approx(costs.monthly.teacher_usd * kept * 0.02)
    free = build_costs(inputs, config.model_copy(update={"audit_rate": 0.0}))
    assert "monitoring" not in {entry.kind for entry in free.ledger}
    assert free.break_even.requests.estimate < costs.break_even.requests.estimate


def test_discarded_and_retried_calls_have_lines_of_their_own(inputs: CostInputs, config: CostsConfig) -> None:
    wasteful = replace(inputs.teacher, discarded_usd=0.3, discarded_calls=150, retried_calls=7)
    lines = {(e.stage, e.kind): e for e in build_costs(replace(inputs, teacher=wasteful), config).ledger}
    assert lines["generate", "discarded"].usd == 0.3
    assert lines["generate", "teacher"].usd == pytest.approx(2.4 - 0.1 - 0.3)
    assert lines["generate", "teacher"].calls == 1850
    assert lines["generate", "retried"].calls == 7


def test_judge_calls_are_part_of_the_one_off_costs(inputs: CostInputs, config: CostsConfig) -> None:
    judged = replace(inputs, extra=(LedgerEntry("filter", "judge", 0.25, "judge"),))
    costs = build_costs(judged, config)
    assert costs.one_off.judge_usd == 0.25
    assert costs.one_off.total_usd == pytest.approx(build_costs(inputs, config).one_off.total_usd + 0.25)


def test_latency_of_the_cascade_is_over_the_rows_that_were_timed(inputs: CostInputs) -> None:
    rows = tuple(replace(row, student_latency_ms=5.0 if i < 40 else None) for i, row in enumerate(inputs.rows))
    point = cascade_curve(rows, 0.01, 1.0)[0]
    assert (point.timed_rows, point.p95_ms) == (40, 5.0)
    untimed = tuple(replace(row, student_latency_ms=None) for row in inputs.rows)
    assert cascade_curve(untimed, 0.01, 1.0)[0].p95_ms is None


def test_a_threshold_that_could_not_be_chosen_hands_all_on(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(replace(inputs, threshold=math.inf), config)
    assert (costs.cascade.threshold, costs.cascade.escalation_rate) == (None, 1.0)
    json.dumps(costs.to_json(), allow_nan=False)


def test_spend_unknown_on_the_held_out_set_is_null_and_warned_about(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(replace(inputs, heldout=TeacherLedger(calls=400)), config)
    assert costs.one_off.evaluation_usd is None
    assert any("held-out set unknown" in warning for warning in costs.warnings)


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


def test_rivals_and_the_judge_of_answers_are_part_of_the_evaluation(inputs: CostInputs, config: CostsConfig) -> None:
    asked = (LedgerEntry("evaluate", "rival", 0.2, "nano"), LedgerEntry("evaluate", "judge", 0.1, "judge"))
    plain, costs = (build_costs(one, config) for one in (inputs, replace(inputs, extra=asked)))
    assert costs.one_off.evaluation_usd == pytest.approx(plain.one_off.evaluation_usd + 0.3)
    assert costs.one_off.total_usd == pytest.approx(plain.one_off.total_usd + 0.3)
    assert costs.one_off.judge_usd == 0.0, "that is what filters paid"
    assert sum(e.usd or 0.0 for e in costs.ledger if e.per == "run") == pytest.approx(costs.one_off.total_usd)


def test_a_rival_without_a_price_makes_the_evaluation_unknown_and_is_named(
    inputs: CostInputs, config: CostsConfig
) -> None:
    costs = build_costs(replace(inputs, extra=(LedgerEntry("evaluate", "rival", None, "nano"),)), config)
    assert costs.one_off.evaluation_usd is None
    assert any("models or judges beside the teacher unknown" in line for line in costs.warnings)


def test_further_teachers_are_bought_but_serve_nobody(inputs: CostInputs, config: CostsConfig) -> None:
    alone = build_costs(inputs, config)
    second = TeacherLedger(name="second", calls=100, usd=1.5, wasted_usd=0.25, price_source="config")
    both = build_costs(replace(inputs, others=(second,)), config)
    assert both.one_off.data_usd == pytest.approx((alone.one_off.data_usd or 0.0) + 1.5)
    assert both.teacher == alone.teacher
    lines = [entry for entry in both.ledger if entry.note == "answers of second kept for training"]
    assert [(line.usd, line.calls) for line in lines] == [(1.25, 100)]
    assert "price of second: config" in both.assumptions


def test_an_unknown_price_of_a_further_teacher_makes_the_bill_unknown(inputs: CostInputs, config: CostsConfig) -> None:
    costs = build_costs(replace(inputs, others=(TeacherLedger(name="second", calls=1),)), config)
    assert costs.one_off.data_usd is None
    assert any("spend unknown" in warning for warning in costs.warnings)


def test_calls_of_killed_processes_are_named_among_the_assumptions_and_in_no_sum(inputs, config) -> None:
    alone = build_costs(inputs, config)
    assert not any("was killed" in line for line in alone.assumptions)
    ledgers = replace(inputs.teacher, outcome_unknown=8), replace(inputs.heldout, outcome_unknown=2)
    costs = build_costs(replace(inputs, teacher=ledgers[0], heldout=ledgers[1]), config)
    (line,) = [line for line in costs.assumptions if "was killed" in line]
    assert "at most 10 calls" in line
    assert "at most $0.0116 at the mean price" in line, "8 x 2.4/2000 + 2 x 0.4/400"
    assert costs.one_off == alone.one_off
