"""The rule `max`: the upper confidence bound must not be above the ceiling (failure rates, latency, cost)."""

from __future__ import annotations

from distill.gates.bound import test_bound
from distill.gates.question import Question, Tested


def test_ceiling(question: Question) -> Tested:
    """Test "the metric is not above `max`"."""
    assert question.rule.max is not None
    return test_bound(question, question.rule.max, "max")
