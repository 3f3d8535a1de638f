from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.records.decision import Decision, RuleOutcome
from distill.reports import calibration_of
from distill.reports.plots.svg import Scale
from distill.reports.verdict import state_verdict
from distill.reports.wording import clean_text, clip, metric_value, points, signed, usd


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "unknown"), (0, "$0"), (0.000133, "$0.000133"), (1.5, "$1.50"), (12345.6, "$12,346")]
)
def test_dollars_keep_three_digits(value: float | None, shown: str) -> None:
    assert usd(value) == shown


def test_points_have_a_sign_unless_they_round_to_zero() -> None:
    assert points(0.0123) == "+1.2"
    assert points(-0.0123) == "−1.2"
    assert signed(-0.00001) == "0.0"


@given(st.text(max_size=600))
def test_any_text_can_be_shown(text: str) -> None:
    assert "\x00" not in clean_text(text)
    clip(text, 50).encode("utf-8")


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_inside_the_axis(low: float, size: float) -> None:
    scale = Scale(low, low + size, 0, 100)
    assert all(low - size * 1e-6 <= tick <= low + size * (1 + 1e-6) for tick in scale.ticks())


def _decide(word: str, **rule: object) -> Decision:
    outcome = {"promote": "pass", "hold": "fail", "inconclusive": "inconclusive"}[word]
    rules = (RuleOutcome("r", "accuracy", outcome, "because", versus="teacher", n=400, margin=0.02, **rule),)
    return Decision(word, "reason", rules, 1, "d", 0.95, "distill")


def test_each_verdict_is_one_sentence_with_its_numbers() -> None:
    promoted = state_verdict(_decide("promote", difference=-0.004), cost_ratio=0.3).sentence
    assert "0.4 points below the teacher’s" in promoted
    assert "30% of the teacher's cost" in promoted
    assert "more than the margin of 2 points" in state_verdict(_decide("hold", difference=-0.2)).sentence
    assert "About 600 more" in state_verdict(_decide("inconclusive", difference=-0.01, needed_n=1000)).sentence


def test_calibration_is_none_without_confidence() -> None:
    assert calibration_of(()) is None


@pytest.mark.parametrize(("metric", "text"), [("perplexity", "1.13"), ("bleu", "41.3"), ("token_f1", "41.3")])
def test_a_figure_on_a_scale_of_its_own_is_no_percentage(metric, text) -> None:
    value = {"perplexity": 1.132, "bleu": 41.27, "token_f1": 0.4127}[metric]
    assert metric_value(value, metric).startswith(text)
    assert ("%" in metric_value(value, metric)) == (metric == "token_f1")
