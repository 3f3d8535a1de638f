"""The threshold by its risk over all traffic: what it promises, that the promise holds, and where it differs."""

from __future__ import annotations

import numpy as np
import pytest

from distill.metrics.config import FallbackConfig
from distill.metrics.threshold import ThresholdChoice, choose_threshold
from distill.statistics.proportions import clopper_pearson_upper
from distill.statistics.selective import certify_threshold

DELTA = 0.1
POPULATION = np.random.default_rng(1).beta(4, 1, 60_000)
"""Confidences that are the chance to be right, so that the true risk of any threshold is known."""


def choose(rng: np.random.Generator, rows: int = 400, **options) -> ThresholdChoice:
    sure = rng.beta(4, 1, rows)
    config = FallbackConfig(delta=DELTA, **{"risk_over": "traffic", "target_risk": 0.03, **options})
    return choose_threshold(sure.tolist(), (rng.random(rows) < sure).tolist(), config)


def traffic_risk(threshold: float) -> float:
    sure = POPULATION
    return float((1 - sure[sure >= threshold]).sum() / len(sure))


def answered_risk(threshold: float) -> float:
    sure = POPULATION
    return float(1 - sure[sure >= threshold].mean())


@pytest.mark.parametrize("target", [0.02, 0.05])
def test_the_promise_over_traffic_is_broken_at_most_as_often_as_delta(target) -> None:
    """Learn then Test: P(true risk of the chosen threshold > target) <= delta, over 400 validation sets."""
    rng, draws = np.random.default_rng(7), 400
    choices = [choose(rng, target_risk=target) for _ in range(draws)]
    broken = sum(c.certified and traffic_risk(c.threshold) > target for c in choices)
    assert sum(c.certified for c in choices) > 0.9 * draws, "most sets certify something: the test is able to fail"
    assert broken / draws <= DELTA + 3 * (DELTA * (1 - DELTA) / draws) ** 0.5


def test_taking_the_loosest_that_looked_good_would_break_it_about_half_of_the_time() -> None:
    rng, draws, broken = np.random.default_rng(7), 300, 0
    for _ in range(draws):
        sure = np.sort(rng.beta(4, 1, 400))[::-1]
        wrong = rng.random(400) >= sure
        loosest = sure[np.flatnonzero(np.cumsum(wrong) / 400 <= 0.03)[-1]]
        broken += traffic_risk(loosest) > 0.03
    assert broken / draws > 0.35


def test_the_two_risks_are_different_promises() -> None:
    rng = np.random.default_rng(3)
    sure = rng.beta(4, 1, 20_000)
    right = rng.random(20_000) < sure
    thresholds = {
        over: certify_threshold(sure, right, 0.05, 0.001, over=over).threshold for over in ("answered", "traffic")
    }
    assert thresholds["traffic"] < thresholds["answered"], "a share of all traffic is met by looser thresholds"
    assert answered_risk(thresholds["answered"]) <= 0.05
    assert traffic_risk(thresholds["traffic"]) <= 0.05 < answered_risk(thresholds["traffic"])


def test_the_bound_over_traffic_is_that_of_wrong_answers_among_all_rows() -> None:
    confidence = [0.9] * 60 + [0.1] * 140
    right = [True] * 58 + [False] * 2 + [False] * 140
    found = certify_threshold(confidence, right, 0.05, grid=[0.5], over="traffic")
    assert found.upper == pytest.approx(clopper_pearson_upper(2, 200, 0.9))
    assert found.answered == 60
    assert "of all traffic, 60 of 200 rows answered" in found.reason


def test_nothing_certified_falls_to_what_was_observed_over_traffic() -> None:
    confidence, right = [0.9] * 20 + [0.1] * 20, [True] * 19 + [False] + [False] * 20
    config = FallbackConfig(risk_over="traffic", target_risk=0.03)
    choice = choose_threshold(confidence, right, config)
    assert not choice.certified
    assert choice.threshold == pytest.approx(0.1025), "1 wrong of 40 is 2.5% of traffic, though 5% of the answers"


def test_the_choice_says_what_its_risk_is_a_share_of() -> None:
    assert choose(np.random.default_rng(0)).risk_over == "traffic"
    assert choose(np.random.default_rng(0), risk_over="answered").risk_over == "answered"
