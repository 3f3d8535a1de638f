"""What the student must be better than: the commonest answer, a linear probe, and its base before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from distill.engine.fingerprint import Plain
from distill.engine.stage import Context
from distill.metrics.config import EvaluateConfig
from distill.records.example import Example
from distill.records.training import Answer, Prompt, TrainingRow
from distill.stages.answer_cache import AnswerCache
from distill.stages.lessons import read_lessons
from distill.stages.likelihoods import weigh_references
from distill.stages.surroundings import surroundings_of
from distill.stages.systems import Asked, ask
from distill.stages.train import STUDENT_DIR
from distill.students.baselines import make_baseline
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student, render_teacher

if TYPE_CHECKING:
    from distill.students.untuned import Untuned

UNTUNED = ("base", "few_shot")


def answer_baseline(
    name: str,
    heldout: Sequence[Example],
    task: TaskConfig,
    evaluate: EvaluateConfig,
    context: Context,
    references: Mapping[str, str] | None = None,
) -> Asked:
    """Let one baseline answer, and weigh `references` where it can; those that learn see the student's own lessons.

    Raises:
        StoreError: the student's base is not the one it was trained on.
        ValueError: the name is unknown.
    """
    context.progress(0, None, f"baseline {name}")
    lessons = read_lessons(task, context, keep_logprobs=False)
    if name not in UNTUNED:
        prompts = [render_student(task, example.id, example.columns) for example in heldout]
        return Asked(make_baseline(name, lessons, evaluate.seed).predict(prompts))
    return _answer_untuned(name, heldout, lessons, task, evaluate, context, references or {})


def _answer_untuned(
    name: str,
    heldout: Sequence[Example],
    lessons: Sequence[TrainingRow],
    task: TaskConfig,
    evaluate: EvaluateConfig,
    context: Context,
    references: Mapping[str, str],
) -> Asked:
    from distill.students.untuned import choose_examples, open_untuned  # noqa: PLC0415 torch

    wanted = choose_examples(lessons, evaluate.few_shot_examples) if name == "few_shot" else []
    untuned = open_untuned(context.inputs["train"] / STUDENT_DIR, wanted, surroundings_of(context).runtime)
    if untuned.reads_instructions:
        instructions = [as_instruction(task, example) for example in heldout]
        shown, prompts = untuned.fit_examples(instructions, wanted)
    else:
        shown, prompts = wanted, [render_student(task, example.id, example.columns) for example in heldout]
    identity = cast("dict[str, Plain]", {"untuned": untuned.describe(shown)})
    cache = AnswerCache(context.state_dir, identity)
    answers = ask(untuned.predictor, cache, prompts, 0, context, f"baseline {name}")
    weighed = weigh_references(untuned.predictor, identity, prompts, references, context, name)
    return Asked(answers, weighed, tuple(_remark(name, answers, wanted, shown, untuned)))


def _remark(
    name: str, answers: Sequence[Answer], wanted: Sequence[TrainingRow], shown: Sequence[TrainingRow], untuned: Untuned
) -> list[str]:
    """Say what did not fit: examples that were left out, and rows that the base could not read."""
    found: list[str] = []
    if len(shown) < len(wanted):
        found.append(
            f"{name} is shown {len(shown)} of {len(wanted)} examples: with more, rows would not fit into the "
            f"{untuned.limit} tokens that the base can read"
        )
    overlong = sum(answer.error_kind == "overlong" for answer in answers)
    if overlong:
        found.append(
            f"{overlong} of {len(answers)} rows are longer than the {untuned.limit} tokens that {name} can read: they "
            "count as wrong"
        )
    return found


def as_instruction(task: TaskConfig, example: Example) -> Prompt:
    """Return the teacher's own prompt as a student's: an untuned base knows no shorter one."""
    messages = render_teacher(task, example.columns)
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    user = "\n\n".join(message.content for message in messages if message.role != "system")
    return Prompt(example.id, user, system or None)
