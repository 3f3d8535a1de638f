from __future__ import annotations

import json
import math

import pytest
from fakes.candidates import LABEL_TASK, TEXT_TASK, candidate

from distill.stages.lessons import make_lessons


def with_logprobs(tokens: dict[str, float], **fields: object) -> dict[str, object]:
    return {
        "sampled_tokens": [next(iter(tokens))],
        "sampled_logprobs": [math.log(next(iter(tokens.values())))],
        "top_tokens": [list(tokens)],
        "top_logprobs": [[math.log(value) for value in tokens.values()]],
        **fields,
    }


def test_votes_of_samples_become_label_probabilities() -> None:
    rows = [candidate("a", "q", label, sample=i) for i, label in enumerate(["card", "refund", "card", "card"])]
    (lesson,) = make_lessons(rows, LABEL_TASK)
    assert (lesson.target, lesson.label_probs) == ("card", (0.25, 0.75, 0.0))


def test_a_tie_goes_to_the_same_label_whatever_the_order() -> None:
    rows = [candidate("a", "q", label, sample=i) for i, label in enumerate(["refund", "card"])]
    assert [make_lessons(order, LABEL_TASK)[0].target for order in (rows, rows[::-1])] == ["card", "card"]


def test_log_probabilities_become_label_probabilities() -> None:
    row = candidate("a", "q", "card", **with_logprobs({"card": 0.7, " ref": 0.2, "x": 0.1}))
    (lesson,) = make_lessons([row], LABEL_TASK)
    assert lesson.label_probs == pytest.approx((0.2 / 0.9, 0.7 / 0.9, 0.0))


def test_tokens_that_are_not_those_of_the_answer_give_no_probabilities() -> None:
    row = candidate("a", "q", "card", **with_logprobs({"ref": 0.9, "oth": 0.1}))
    assert make_lessons([row], LABEL_TASK)[0].label_probs is None


def test_a_token_that_begins_two_labels_counts_half_for_each() -> None:
    task = LABEL_TASK.model_copy(update={"labels": ("card_lost", "card_late", "other")})
    row = candidate("a", "q", "other", **with_logprobs({"other": 0.4, "card": 0.6}))
    (lesson,) = make_lessons([row], task)
    assert lesson.label_probs == pytest.approx((0.3, 0.3, 0.4))


def test_one_answer_without_log_probabilities_is_a_hard_target() -> None:
    (lesson,) = make_lessons([candidate("a", "q", "card")], LABEL_TASK)
    assert (lesson.target, lesson.label_probs, lesson.logprobs) == ("card", None, None)


def test_other_tasks_get_one_lesson_per_distinct_answer_in_order() -> None:
    rows = [
        candidate("b", "q", "x"),
        candidate("a", "q", "y", sample=1),
        candidate("a", "q", "z"),
        candidate("a", "q", "z", sample=2),
    ]
    lessons = make_lessons(rows, TEXT_TASK)
    assert [(lesson.id, lesson.target) for lesson in lessons] == [("a", "z"), ("a", "y"), ("b", "x")]
    assert lessons[0].prompt.user == "q"


def test_each_label_of_a_set_is_voted_on_by_itself() -> None:
    task = LABEL_TASK.model_copy(update={"output": "labels"})
    sets = [["card"], ["card", "refund"], ["card"], []]
    rows = [
        candidate("a", "q", "x", sample=i) | {"target": json.dumps(s), "value_json": json.dumps(s)}
        for i, s in enumerate(sets)
    ]
    (lesson,) = make_lessons(rows, task)
    assert lesson.labels == ("card",)
    assert dict(zip(LABEL_TASK.labels or (), lesson.label_probs or (), strict=True))["card"] == 0.75
    assert make_lessons(rows[:1], task)[0].label_probs is None
