from __future__ import annotations

import pytest
from fakes.candidates import LABEL_TASK, candidate
from fakes.spelling_teacher import as_columns, say

from distill.errors import DataError
from distill.stages.lessons import make_lessons
from distill.stages.opinions import group_by_example
from distill.stages.soft_targets import state_soft_targets
from distill.students.config import ObjectiveConfig, StudentConfig

SURE = say("card", {"card": 0.9, "refund": 0.1}, list)
SOFT = StudentConfig(kind="classifier", base="b", objective=ObjectiveConfig(hard=0.5, soft=0.5))


def state(rows: list[dict[str, object]], student: StudentConfig = SOFT) -> dict[str, object]:
    return dict(state_soft_targets(group_by_example(rows), make_lessons(rows, LABEL_TASK), LABEL_TASK, student))


def test_the_mean_mass_and_the_answers_it_is_of_are_reported():
    rows = [candidate("a", "q", "card", **as_columns(SURE)), candidate("b", "q", "Sure: a card", target="card",
            **as_columns(SURE)), candidate("c", "q", "card")]  # fmt: skip
    assert state(rows) == {
        "lessons_with_label_probabilities": 1,
        "answers_with_label_mass": 1,
        "answers_without_label_mass": 1,
        "label_mass": {"known": 1.0, "unresolved": 0.0, "unseen": 0.0, "elsewhere": 0.0},
    }


def test_votes_need_no_log_probabilities():
    rows = [candidate("a", "q", label, sample=i, **as_columns(SURE)) for i, label in enumerate(["card", "refund"])]
    assert state(rows) == {"lessons_with_label_probabilities": 1}


def test_soft_targets_that_no_lesson_has_are_refused():
    with pytest.raises(DataError, match="would act nowhere"):
        state([candidate("a", "q", "card")])


@pytest.mark.parametrize("student", [
    SOFT.model_copy(update={"objective": ObjectiveConfig()}), SOFT.model_copy(update={"kind": "causal_lm"}),
])  # fmt: skip
def test_students_without_soft_label_targets_have_nothing_to_report(student: StudentConfig):
    assert state([candidate("a", "q", "card")], student) == {}
