"""Which paired test is run, and what it can decide."""

from __future__ import annotations

import pytest

from distill.gates import decide
from distill.gates.config import GateConfig, RuleConfig
from distill.statistics.tango import tango_noninferiority_p
from distill.statistics.tango_exact import exact_noninferiority_p

MARGIN = RuleConfig(metric="accuracy", versus="teacher", margin=0.05)


def systems(n: int) -> dict[str, list[bool]]:
    return {"student": [False] * 6 + [True] * (n - 6), "teacher": [True] * n}


@pytest.mark.parametrize("mode", ["auto", "exact", "score"])
def test_the_mode_names_the_test_behind_the_p_value(evidence_of, mode) -> None:
    rule = decide(evidence_of(**systems(300)), GateConfig(test=mode, rules=(MARGIN,))).rules[0]
    expected = tango_noninferiority_p if mode == "score" else exact_noninferiority_p
    assert rule.p_value == pytest.approx(expected(0, 6, 300, 0.05))


def test_exact_beyond_a_thousand_rows_decides_nothing_and_says_why(evidence_of) -> None:
    decision = decide(evidence_of(**systems(1001)), GateConfig(test="exact", rules=(MARGIN,)))
    assert decision.decision == "inconclusive"
    assert "up to 1000 rows" in decision.reason


def test_auto_takes_the_score_test_beyond_a_thousand_rows(evidence_of) -> None:
    rule = decide(evidence_of(**systems(1001)), GateConfig(rules=(MARGIN,))).rules[0]
    assert rule.p_value == pytest.approx(tango_noninferiority_p(0, 6, 1001, 0.05))
