"""The rule `min`: the lower confidence bound must not be below the floor (quality that must be had on its own)."""

from __future__ import annotations

from distill.gates.bound import test_bound
from distill.gates.question import Question, Tested


def test_floor(question: Question) -> Tested:
    """Test "the metric is not below `min`"."""
    assert question.rule.min is not None
    return test_bound(question, question.rule.min, "min")
