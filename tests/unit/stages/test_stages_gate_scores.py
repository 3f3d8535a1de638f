"""What scores.json says beside the metrics: where errors come from, what costs spread, what each threshold brings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from distill.costs.config import CostsConfig, ServingCostConfig
from distill.gates import Evidence, Measured
from distill.metrics import METRICS
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.stages.gate_scores import foresee_thresholds, measure_costs, score_systems, trace_errors


def row(i: int, system: str, said: str, wanted: str = "a", **fields: Any) -> Prediction:
    right = said == wanted
    values: dict[str, Any] = {
        "confidence": 0.9, "error_kind": None, "latency_ms": 5.0, "input_tokens": 1, "output_tokens": 1,
        "cost_usd": 0.001 if system == "teacher" else None, "slices": {"s": "xy"[i % 2]},
    }  # fmt: skip
    return Prediction(f"r{i:03d}", system, 0, said, said, right, float(right), reference=wanted, **{**values, **fields})


def test_errors_are_told_apart_by_where_they_come_from() -> None:
    teacher = [row(0, "teacher", "b"), row(1, "teacher", "b"), row(2, "teacher", "a"), row(3, "teacher", "b")]
    student = [row(0, "student", "b"), row(1, "student", "c"), row(2, "student", "c"), row(3, "student", "a")]
    found = trace_errors({"teacher": teacher, "student": student}, "gold")
    assert found == {"student": {"inherited": 1, "both_wrong": 1, "introduced": 1, "repaired": 1, "n": 4}}
    assert trace_errors({"teacher": teacher, "student": student}, "teacher") == {}, (
        "no gold: the teacher is never wrong"
    )


def systems(n: int = 200, escalated: int = 50) -> dict[str, list[Prediction]]:
    rng = np.random.default_rng(0)
    return {
        "teacher": [row(i, "teacher", "a", cost_usd=float(rng.gamma(4, 0.00025))) for i in range(n)],
        "student": [row(i, "student", "a", confidence=0.2 if i < escalated else 0.9) for i in range(n)],
        "cascade": [row(i, "cascade", "a") for i in range(n)],
    }


EVALUATION: dict[str, Any] = {"throughput_per_s": 100.0, "threshold": {"threshold": 0.5, "curve": []}}
COSTS = CostsConfig(student=ServingCostConfig(usd_per_hour=0.8, utilisation=0.5))


def test_the_teachers_bill_has_the_spread_of_its_rows_and_the_cascade_that_of_what_falls_back() -> None:
    costs = measure_costs(systems(), EVALUATION, COSTS)
    assert costs["teacher"].low < costs["teacher"].value < costs["teacher"].high
    assert costs["cascade"].low < costs["cascade"].value < costs["cascade"].high
    assert costs["cascade"].value == pytest.approx(costs["student"].value + 0.25 * costs["teacher"].value)


def test_an_unknown_bill_stays_unknown_in_the_cascade() -> None:
    rows = systems()
    rows["teacher"] = [row(i, "teacher", "a", cost_usd=None) for i in range(200)]
    costs = measure_costs(rows, EVALUATION, COSTS)
    assert costs["teacher"].value is None
    assert costs["cascade"].value is None


def test_slices_are_those_the_gate_judges_and_a_cold_start_is_shown_apart() -> None:
    rows = systems()
    evidence = Evidence({p.id: "" for p in rows["student"]}, rows, METRICS)
    evaluation = {**EVALUATION, "cold_load_ms": 900.0, "cold_first_answer_ms": 100.0}
    scores = score_systems(evidence, ("accuracy",), {"teacher": Measured(1.0, 0.9, 1.1)}, evaluation)
    assert set(scores["slices"]) == {"s=x", "s=y"}
    assert scores["slices"]["s=x"]["student"]["accuracy"]["n"] == 100
    assert scores["systems"]["student"]["cold_latency_ms"]["value"] == 1000
    assert scores["systems"]["teacher"]["cost_per_1k_usd"]["low"] == 0.9


def test_each_threshold_tells_the_quality_and_cost_to_expect_with_a_band() -> None:
    point = {
        "threshold": 0.8, "coverage": 0.6, "coverage_low": 0.5, "coverage_high": 0.7,
        "cascade_error": 0.02, "cascade_error_low": 0.01, "cascade_error_high": 0.05,
    }  # fmt: skip
    costs = {"student": Measured(0.1, 0.1, 0.1), "teacher": Measured(1.0, 0.9, 1.1)}
    evaluation = {"threshold": {"threshold": 0.8, "curve": [point]}}
    (found,) = foresee_thresholds(evaluation, costs, Score("accuracy", 0.95, 0.9, 1.0, 100, "fraction"))
    assert found["quality"] == pytest.approx(1 - 0.02 - 0.4 * 0.05)
    assert found["quality_low"] < found["quality"] < found["quality_high"]
    assert found["cost_per_1k_usd"] == pytest.approx(0.1 + 0.4)
    assert (found["cost_low"], found["cost_high"]) == (pytest.approx(0.1 + 0.3 * 0.9), pytest.approx(0.1 + 0.5 * 1.1))


def test_without_a_fallback_there_are_no_thresholds() -> None:
    assert foresee_thresholds({"threshold": None}, {"student": Measured(0.1)}, Score("a", 1, 1, 1, 1, "fraction")) == []


def test_the_costs_a_rule_is_asked_on_are_bounded_at_the_rules_own_level() -> None:
    wide, usual = (measure_costs(systems(), EVALUATION, COSTS, confidence) for confidence in (1 - 0.05 / 6, 0.95))
    for name in ("teacher", "cascade"):
        assert wide[name].low < usual[name].low
        assert wide[name].high > usual[name].high
