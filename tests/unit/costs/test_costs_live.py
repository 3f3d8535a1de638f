"""Live costs, worked out by hand; what has no price stays unknown."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from distill.costs import CostsConfig
from distill.costs.live import MOST_PRICES, LiveTally, Prices, RunFigures, build_live_costs, load_tally
from distill.records.live import Audit, ServedRequest

CONFIG = CostsConfig.model_validate({"student": {"usd_per_hour": 0.72, "utilisation": 0.5}})
FIGURES = RunFigures(CONFIG, one_off_usd=3.0, throughput_per_s=100.0, teacher_per_1k_usd=9.0)
DAY_S = 86_400.0


def request(number: int, by: str = "student", usd: float | None = 0.0, reason: str = "") -> ServedRequest:
    at = 1_000_000.0 + number * DAY_S / 100
    return ServedRequest(f"q{number}", at, "c", "c@1", "m", by, 200, 5.0, reason=reason, cost_usd=usd)  # type: ignore[arg-type]


def audit(number: int, usd: float | None, side: str = "main", kind: str = "shadow") -> Audit:
    return Audit(f"q{number}", 1_000_000.0, "c", "c@1", kind, True, "a", "t", usd, side)  # type: ignore[arg-type]


def tally_of(*rows: ServedRequest | Audit) -> LiveTally:
    tally = LiveTally()
    for row in rows:
        tally.add_audit(row) if isinstance(row, Audit) else tally.add_request(row)
    return tally


def traffic() -> LiveTally:
    """101 requests over one day: 75 by the student, 25 by the teacher at $0.02, one unanswered; 5 audits at $0.01."""
    rows = [request(n) for n in range(75)]
    rows += [request(n, "teacher", 0.02, "low_confidence") for n in range(75, 100)]
    return tally_of(*rows, request(100, "none", 0.0, "draining"), *(audit(n, 0.01) for n in range(5)))


def test_every_dollar_is_the_one_worked_out_by_hand():
    costs = build_live_costs("c@1", "r1", traffic(), FIGURES)
    assert (costs.requests, costs.by_student, costs.by_teacher, costs.unanswered) == (101, 75, 25, 1)
    assert (costs.days, costs.requests_per_day, costs.student_share) == pytest.approx((1.0, 101.0, 75 / 101))
    assert (costs.teacher_usd, costs.audit_usd) == pytest.approx((0.5, 0.05))
    student = 0.72 / (100 * 3600 * 0.5) * 101
    assert (costs.student_usd, costs.dedicated_usd) == pytest.approx((student, 0.72 * 24))
    assert costs.all_teacher_usd == pytest.approx(25 * 0.02 + 76 * 0.01)
    assert costs.saving_usd == pytest.approx(1.26 - 0.55 - student)
    assert costs.saving_share == pytest.approx((0.71 - student) / 1.26)
    assert costs.earned_share == pytest.approx((0.71 - student) / 3.0)
    assert costs.warnings == ()


def test_break_even_is_that_of_the_traffic():
    costs = build_live_costs("c@1", "r1", traffic(), FIGURES)
    saving = 0.01 * (1 - 25 / 101) * (1 - 5 / 75) - 0.72 / (100 * 3600 * 0.5)
    assert costs.break_even.state == "pays_back"
    assert costs.break_even.requests is not None
    assert costs.break_even.requests.estimate == pytest.approx(3.0 / saving)
    assert costs.break_even.days is not None
    assert costs.break_even.days.estimate == pytest.approx(3.0 / saving / 101)


def test_a_teacher_without_a_price_makes_its_dollars_unknown_and_not_zero():
    tally = tally_of(request(0), request(1, "teacher", None, "low_confidence"))
    costs = build_live_costs("c@1", "r1", tally, RunFigures(CONFIG, 3.0, 100.0))
    assert (costs.teacher_usd, costs.system_usd, costs.all_teacher_usd, costs.saving_share) == (None,) * 4
    assert costs.break_even.state == "unknown"
    assert any("teacher's price unknown" in warning for warning in costs.warnings)


def test_calls_that_were_cut_off_count_at_the_mean_of_the_others_and_that_is_said():
    rows = [request(n, "teacher", 0.02, "low_confidence") for n in range(4)]
    unsure = request(4, "student", None, "low_confidence,fallback_timeout")
    costs = build_live_costs("c@1", "r1", tally_of(*rows, unsure, request(5, "none", None, "timeout")), FIGURES)
    assert (costs.teacher_calls, costs.unpriced_calls) == (6, 2)
    assert (costs.teacher_usd, costs.assumed_usd) == pytest.approx((0.12, 0.04))
    assert any("2 teacher calls have no known price" in warning for warning in costs.warnings)


def test_an_answer_that_did_not_parse_was_paid_and_one_that_was_never_asked_for_was_not():
    paid = request(0, "student", 0.03, "low_confidence,fallback_unparseable")
    others = [request(1, "student", 0.0, f"low_confidence,fallback_{why}") for why in ("capped", "off")]
    tally = tally_of(paid, *others)
    assert (tally.fallback.seen, tally.fallback.usd) == (1, 0.03)


def test_of_a_trials_two_audits_one_call_is_paid():
    tally = tally_of(request(0), audit(0, 0.01), audit(0, 0.01, side="canary"), audit(1, 0.02, kind="canary_teacher"))
    assert (tally.shadow.usd, tally.fixed.usd) == (0.01, 0.02)


def test_without_audits_the_price_is_that_of_other_answers_and_that_is_said():
    only_student = build_live_costs("c@1", "r1", tally_of(request(0), request(1)), FIGURES)
    assert (only_student.all_teacher_source, only_student.all_teacher_usd) == ("held-out answers of the run", 0.018)
    assert any("no shadow audits" in warning for warning in only_student.warnings)


def test_without_the_run_only_the_teachers_dollars_are_known():
    costs = build_live_costs("c@1", None, traffic(), RunFigures(CostsConfig()))
    assert costs.teacher_usd == pytest.approx(0.5)
    assert (costs.student_usd, costs.system_usd, costs.saving_usd, costs.earned_share) == (None,) * 4
    assert costs.break_even.state == "unknown"
    assert any("--runs-dir" in warning for warning in costs.warnings)


def test_prices_of_any_number_of_calls_take_little_room_and_keep_their_sum():
    prices = Prices()
    for number in range(50_000):
        prices.add(float(number % 100))
    assert len(prices.kept) <= MOST_PRICES
    assert (prices.seen, prices.usd) == (50_000, 50_000 * 49.5)
    assert sum(prices.kept) / len(prices.kept) == pytest.approx(49.5, abs=5)


def test_a_tally_survives_being_written_down():
    tally = traffic()
    assert load_tally(json.loads(json.dumps(asdict(tally)))) == tally
