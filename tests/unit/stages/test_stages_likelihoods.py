"""Likelihoods of the references: asked once, kept, and only of systems that have them; baselines that do not fit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from distill.engine.stage import Context
from distill.records.training import Answer, Likelihood, Prompt
from distill.stages.baselines import _remark
from distill.stages.likelihoods import render_references, weigh_references
from distill.stages.scoring import Reference
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

PROMPTS = [Prompt(f"p{i}", "x" * (6 - i)) for i in range(6)]
REFERENCES = {f"p{i}": f"answer {i}" for i in range(5)}


class Scales:
    """Weighs by length and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, prompts) -> list[Answer]:
        return [Answer(prompt.id, "") for prompt in prompts]

    def weigh(self, prompts, answers) -> list[Likelihood]:
        self.asked += [prompt.id for prompt in prompts]
        return [
            Likelihood(-float(len(prompt.user)), len(answer)) for prompt, answer in zip(prompts, answers, strict=True)
        ]


def weigh(scales: object, context: Context, identity: str = "a") -> dict[str, Likelihood]:
    return weigh_references(scales, {"m": identity}, PROMPTS, REFERENCES, context, "it")


def test_each_reference_is_weighed_once_shortest_first_and_rows_without_one_are_left_out(split_context) -> None:
    scales = Scales()
    found = weigh(scales, split_context)
    assert weigh(scales, split_context) == found
    assert scales.asked == ["p4", "p3", "p2", "p1", "p0"]
    assert found["p2"] == Likelihood(-4.0, len("answer 2"))


def test_another_system_is_asked_anew(split_context) -> None:
    scales = Scales()
    weigh(scales, split_context)
    weigh(scales, split_context, "b")
    assert len(scales.asked) == 10


def test_a_system_without_probabilities_of_texts_is_not_asked(split_context) -> None:
    assert weigh(SimpleNamespace(predict=lambda prompts: []), split_context) == {}


def test_a_reference_is_weighed_as_the_text_a_student_is_taught_to_write() -> None:
    task = make_task(TaskConfig(output="labels", labels=("a", "b"), user="{{ text }}"))
    assert render_references(Reference("gold", {"r": ["b", "a"]}), task) == {"r": task.render(["b", "a"])}


@pytest.mark.parametrize(("overlong", "shown", "words"), [(2, 8, "2 of 4 rows are longer"), (0, 3, "3 of 8 examples")])
def test_what_does_not_fit_into_a_base_is_counted_and_named(overlong, shown, words) -> None:
    answers = [Answer(f"r{i}", "", error_kind="overlong" if i < overlong else None) for i in range(4)]
    (said,) = _remark("few_shot", answers, [None] * 8, [None] * shown, SimpleNamespace(limit=512))
    assert words in said
    assert "512 tokens" in said
    assert _remark("base", answers[3:], [], [], SimpleNamespace(limit=512)) == []
