"""Answers kept between runs, validation rows shared out, the judge's questions, and what the teacher says twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.records.prediction import Prediction
from distill.records.training import Answer, Prompt, TrainingRow
from distill.stages.answer_cache import AnswerCache
from distill.stages.rivals import as_teacher, read_verdict, settle
from distill.stages.scoring import self_agreement, with_gold_scores
from distill.stages.validation import divide_validation
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

TASK = make_task(TaskConfig(output="label", labels=("a", "b"), user="{{ text }}"))
PROMPTS = [Prompt(f"p{i}", "x" * (i + 1)) for i in range(10)]


class Echo:
    """Answers with the prompt's length and remembers what it was asked."""

    def __init__(self, dies_after: int = 99) -> None:
        self.asked: list[str] = []
        self.dies_after = dies_after

    def predict(self, prompts) -> list[Answer]:
        if len(self.asked) >= self.dies_after:
            raise KeyboardInterrupt
        self.asked += [prompt.id for prompt in prompts]
        return [Answer(prompt.id, str(len(prompt.user)), 0.5) for prompt in prompts]


def test_nothing_is_asked_twice_and_order_is_that_of_the_prompts(tmp_path: Path) -> None:
    echo = Echo()
    for prompts in (PROMPTS, PROMPTS[::-1]):
        answers = AnswerCache(tmp_path, {"m": 1}).answer(prompts, 0, echo.predict, batch_rows=3)
        assert [(a.id, a.text) for a in answers] == [(p.id, str(len(p.user))) for p in prompts]
    assert len(echo.asked) == 10


def test_an_evaluation_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS, 0, Echo(dies_after=6).predict, batch_rows=3)
    echo = Echo()
    AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS, 0, echo.predict, batch_rows=3)
    assert len(echo.asked) == 4


def test_a_line_cut_off_by_a_crash_is_asked_again_and_harms_no_other(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, {"m": 1})
    cache.answer(PROMPTS, 0, Echo().predict, batch_rows=10)
    cache.path.write_bytes(cache.path.read_bytes()[:-30])
    echo = Echo()
    AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS, 0, echo.predict, batch_rows=10)
    assert len(echo.asked) == 1
    again = Echo()
    AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS, 0, again.predict, batch_rows=10)
    assert again.asked == []


@pytest.mark.parametrize(("identity", "repeat"), [({"m": 2}, 0), ({"m": 1}, 1)])
def test_another_model_or_repeat_is_asked_anew(tmp_path: Path, identity, repeat) -> None:
    AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS, 0, Echo().predict, batch_rows=4)
    echo = Echo()
    AnswerCache(tmp_path, identity).answer(PROMPTS, repeat, echo.predict, batch_rows=4)
    assert len(echo.asked) == 10


def test_the_same_question_under_another_id_is_answered_for_that_id(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, {"m": 1})
    cache.answer(PROMPTS[:1], 0, Echo().predict, batch_rows=4)
    other = Prompt("other", PROMPTS[0].user)
    assert cache.answer([other], 0, Echo(dies_after=0).predict, batch_rows=4)[0].id == "other"


def test_batches_hold_prompts_of_like_length(tmp_path: Path) -> None:
    echo = Echo()
    AnswerCache(tmp_path, {"m": 1}).answer(PROMPTS[::-1], 0, echo.predict, batch_rows=3)
    assert echo.asked == [prompt.id for prompt in PROMPTS]


def test_certifying_rows_are_never_those_that_training_chose_by() -> None:
    parts = divide_validation([f"r{i}" for i in range(400)], own_rows=True)
    assert not parts.choosing & parts.certifying
    assert len(parts.choosing | parts.certifying) == 400
    assert 150 < len(parts.certifying) < 250
    assert divide_validation(["a", "b"], own_rows=False).choosing == frozenset("ab")


def row(answer: str, repeat: int = 0, error: str | None = None, system: str = "teacher") -> Prediction:
    parsed = None if error else answer
    return Prediction("x", system, repeat, answer, parsed, False, 0.0, None, error, None, None, None, None, "a")


def test_the_teachers_agreement_with_itself_is_over_pairs_of_its_answers() -> None:
    assert self_agreement([row("a")], TASK) is None
    found = self_agreement([row("a"), row("a", 1), row("b", 2)], TASK)
    assert found == {"rate": pytest.approx(1 / 3), "n": 1, "repeats": 3}
    assert self_agreement([row("a"), row("a", 1, "timeout")], TASK)["rate"] == 0


def test_gold_of_a_few_rows_scores_those_rows_alone() -> None:
    rows = [row("b"), replace(row("a"), id="y")]
    assert [p.gold_score for p in with_gold_scores(rows, {"x": "b"}, TASK)] == [1.0, None]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("A", "first"), ("Answer B is better.\nB", "second"), ("tie", "tie"), ("I cannot say", None), ("", None)],
)
def test_the_judges_last_word_counts(text, verdict) -> None:
    assert read_verdict(text) == verdict


@pytest.mark.parametrize(
    ("own", "other", "score"),
    [(row("a", error="timeout"), row("b"), 0.0), (row("a"), row("b", error="empty"), 1.0), (row("a"), row("a"), 0.5),
     (row("a", error="x"), row("b", error="x"), 0.5), (row("a"), row("b"), None)],
)  # fmt: skip
def test_failures_and_equal_answers_need_no_judge(own, other, score) -> None:
    assert settle(own, other) == score


def test_a_rival_keeps_the_teachers_limits_and_brings_its_own_name_and_price() -> None:
    from distill.metrics.config import RivalConfig
    from distill.teachers.config import TeacherConfig

    teacher = TeacherConfig(model="big", samples=5, top_logprobs=5, budget_usd=3)
    rival = as_teacher(RivalConfig(name="nano", model="small", input_usd=0.1, output_usd=0.4), teacher)
    assert (rival.model, rival.samples, rival.top_logprobs, rival.budget_usd) == ("small", 1, 0, 3)
    assert rival.price.output == 0.4


def lesson(number: int, target: str) -> TrainingRow:
    return TrainingRow(f"r{number}", Prompt(f"r{number}", "x" * (number + 1)), target)


def test_examples_to_show_take_each_answer_in_turn() -> None:
    from distill.students.untuned import choose_examples, show_examples

    rows = [lesson(i, "a" if i < 8 else "b") for i in range(10)]
    chosen = choose_examples(rows, 4)
    assert [r.target for r in chosen] == ["a", "b", "a", "b"]
    assert len(choose_examples(rows, 99)) == 10
    shown = show_examples(Prompt("q", "what?"), chosen)
    assert shown.user.count("\n=>") == 5
    assert show_examples(Prompt("q", "what?"), []).user == "what?"
