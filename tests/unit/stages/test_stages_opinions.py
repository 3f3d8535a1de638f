from __future__ import annotations

import json
import math

import pytest
from fakes.candidates import LABEL_TASK, TEXT_TASK, candidate

from distill.stages.lessons import make_lessons
from distill.stages.opinions import find_winner, group_by_example

ANSWER_TASK = TEXT_TASK.model_copy(update={"output": "answer"})


def said(*answers: str, samples: int = 1, **fields: object) -> list[dict[str, object]]:
    """Return answers to one example, the first `samples` of them the first teacher's, and so on."""
    return [
        candidate("a", "q", answer, teacher=i // samples, sample=i % samples, **fields)
        for i, answer in enumerate(answers)
    ]


def logprobs(**tokens: float) -> dict[str, object]:
    values = [math.log(value) for value in tokens.values()]
    return {"sampled_tokens": [next(iter(tokens))], "sampled_logprobs": values[:1], "top_tokens": [list(tokens)],
            "top_logprobs": [values]}  # fmt: skip


def test_the_majority_of_the_teachers_is_taught_and_their_votes_are_the_soft_target() -> None:
    (lesson,) = make_lessons(said("other", "card", "card"), LABEL_TASK)
    assert lesson.target == "card"
    assert lesson.label_probs == pytest.approx((0.0, 2 / 3, 1 / 3))


def test_a_tie_goes_to_the_teacher_named_first() -> None:
    rows = said("refund", "card")
    assert [make_lessons(order, LABEL_TASK)[0].target for order in (rows, rows[::-1])] == ["refund", "refund"]


def test_a_teacher_asked_often_weighs_no_more_than_one_asked_once() -> None:
    rows = [*said("card", "card", "card", samples=3), *said("x", "refund", "refund")[1:]]
    (lesson,) = make_lessons(rows, LABEL_TASK)
    assert (lesson.target, lesson.label_probs) == ("refund", pytest.approx((2 / 3, 1 / 3, 0.0)))


def test_a_divided_teacher_shares_its_vote_out() -> None:
    rows = said("card", "card", "other", "other", "card", "other", samples=3)
    (lesson,) = make_lessons(rows, LABEL_TASK)
    assert lesson.target == "card"
    assert lesson.label_probs == pytest.approx((0.0, 0.5, 0.5))


def test_log_probabilities_of_one_teacher_are_pooled_with_the_word_of_another() -> None:
    first, second = said("card", "card")
    (lesson,) = make_lessons([first | logprobs(card=0.6, refund=0.4), second], LABEL_TASK)
    assert lesson.label_probs == pytest.approx((0.2, 0.8, 0.0), abs=1e-3)


def test_a_lone_teacher_left_by_the_filters_is_a_hard_target() -> None:
    assert make_lessons(said("x", "card")[1:], LABEL_TASK)[0].label_probs is None


def test_of_other_tasks_the_majoritys_answer_is_the_only_lesson() -> None:
    lessons = make_lessons(said("41", "42", "42"), ANSWER_TASK)
    assert [lesson.target for lesson in lessons] == ["42"]


def test_free_text_has_no_majority_and_every_answer_is_a_lesson() -> None:
    assert [lesson.target for lesson in make_lessons(said("so", "thus"), TEXT_TASK)] == ["so", "thus"]


def test_what_the_first_agreeing_teacher_lacks_is_taken_from_the_next() -> None:
    first, second, third = said("41", "42", "42")
    rows = [first | {"rationale": "wrong"}, second, third | {"rationale": "six by seven"} | logprobs(x=0.9)]
    (lesson,) = make_lessons(rows, ANSWER_TASK)
    assert lesson.rationale == "six by seven"
    assert lesson.logprobs is not None


def test_label_sets_are_pooled_label_by_label() -> None:
    task = LABEL_TASK.model_copy(update={"output": "labels"})
    sets = [["card"], ["card", "refund"]]
    rows = [
        row | {"target": json.dumps(s), "value_json": json.dumps(s)} for row, s in zip(said("", ""), sets, strict=True)
    ]
    (lesson,) = make_lessons(rows, task)
    assert (lesson.labels, lesson.label_probs) == (("card",), (0.5, 1.0, 0.0))


def test_the_rows_of_an_example_come_in_order_of_teacher_and_sample() -> None:
    rows = said("a", "b", "c", "d", samples=2)
    assert group_by_example(rows[::-1]) == [rows]
    assert find_winner(rows).agreeing == (rows[0],)
