"""Local systems answering the held-out set: student, untuned base, baselines, students of channels. None is favoured.

Answers come through the cache; time is measured afresh on every evaluation, on rows asked one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table
from distill.engine.stage import Context
from distill.metrics.config import EvaluateConfig
from distill.records.example import Example
from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Prompt, TrainingRow
from distill.stages.answer_cache import AnswerCache
from distill.stages.lessons import make_lessons
from distill.stages.train import STUDENT_DIR
from distill.stages.validation import read_validation_ids
from distill.students import get_student
from distill.students.baselines import make_baseline
from distill.students.protocol import Predictor
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student, render_teacher

WARM_UP_ROWS = 8
BATCH_ROWS = 256
UNTUNED = ("base", "few_shot")


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the student is here. `cold_*`: loading it, and its very first answer; the other answers are warm."""

    throughput_per_s: float | None
    cold_load_ms: float
    cold_first_answer_ms: float


@dataclass(frozen=True, slots=True)
class LoadedStudent:
    """The student with the time it took to load."""

    predictor: Predictor
    cache: AnswerCache
    load_ms: float


def load_student(kind: str, runtime: RuntimeConfig, context: Context) -> LoadedStudent:
    """Load the trained student; its answers are kept under the key of the training that made it.

    Raises:
        StoreError: the student is damaged.
    """
    begun = time.perf_counter()
    predictor = get_student(kind).load(context.inputs["train"] / STUDENT_DIR, runtime)
    load_ms = (time.perf_counter() - begun) * 1000
    return LoadedStudent(predictor, AnswerCache(context.state_dir, {"train": context.inputs["train"].name}), load_ms)


def answer_heldout(
    student: LoadedStudent, prompts: Sequence[Prompt], evaluate: EvaluateConfig, context: Context
) -> tuple[list[list[Answer]], Speed]:
    """Let the student answer `evaluate.repeats` times; at first `latency_rows` one by one, the rest in batches."""
    begun = time.perf_counter()
    student.predictor.predict(prompts[:1])
    first_ms = (time.perf_counter() - begun) * 1000
    student.predictor.predict(prompts[:WARM_UP_ROWS])
    single, rest = prompts[: evaluate.latency_rows], prompts[evaluate.latency_rows :]
    timed: list[Answer] = []
    for done, prompt in enumerate(single):
        begun = time.perf_counter()
        answer = student.predictor.predict([prompt])[0]
        timed.append(replace(answer, latency_ms=(time.perf_counter() - begun) * 1000))
        context.progress(done + 1, len(prompts), "the student answers the held-out set")
    throughput = measure_throughput(student, rest or single)
    batched = ask(
        student.predictor, student.cache, rest, 0, context, "the student answers the held-out set", len(single)
    )
    rounds = [timed + [replace(answer, latency_ms=0.0) for answer in batched]]
    for repeat in range(1, evaluate.repeats):
        again = ask(student.predictor, student.cache, prompts, repeat, context, f"the student answers again ({repeat})")
        rounds.append([replace(answer, latency_ms=0.0) for answer in again])
    return rounds, Speed(throughput, student.load_ms, first_ms)


def measure_throughput(student: LoadedStudent, prompts: Sequence[Prompt]) -> float | None:
    """Return rows per second in batches, over rows not answered before where there are any; keep those answers."""
    fresh = [prompt for prompt in prompts if not student.cache.knows(prompt, 0)]
    chosen = fresh[: 4 * BATCH_ROWS] or prompts[:BATCH_ROWS]
    begun = time.perf_counter()
    made = [
        (prompt, answer)
        for start in range(0, len(chosen), BATCH_ROWS)
        for prompt, answer in zip(
            chosen[start : start + BATCH_ROWS],
            student.predictor.predict(chosen[start : start + BATCH_ROWS]),
            strict=True,
        )
    ]
    seconds = time.perf_counter() - begun
    student.cache.keep(dict(made), 0)
    return len(made) / seconds if seconds > 0 and made else None


def ask(
    predictor: Predictor,
    cache: AnswerCache,
    prompts: Sequence[Prompt],
    repeat: int,
    context: Context,
    note: str,
    already: int = 0,
) -> list[Answer]:
    """Ask what the cache does not know, in batches of like length."""
    total = already + len(prompts)
    return cache.answer(
        prompts,
        repeat,
        predictor.predict,
        batch_rows=BATCH_ROWS,
        on_progress=lambda done: context.progress(already + done, total, note),
    )


def read_lessons(task: TaskConfig, context: Context) -> list[TrainingRow]:
    """Return what the student was taught, validation rows left out.

    Raises:
        StoreError: a table cannot be read.
    """
    validation = read_validation_ids(context.inputs["split"])
    kept = cast("list[dict[str, object]]", read_table(context.inputs["kept"] / "kept.parquet").to_pylist())
    return make_lessons([row for row in kept if row["id"] not in validation], task)


def answer_baseline(
    name: str, heldout: Sequence[Example], task: TaskConfig, evaluate: EvaluateConfig, context: Context
) -> list[Answer]:
    """Let one baseline answer; those that learn see the student's own lessons.

    Raises:
        StoreError: the student's base is not the one it was trained on.
        ValueError: the name is unknown.
    """
    context.progress(0, None, f"baseline {name}")
    lessons = read_lessons(task, context)
    prompts = [render_student(task, example.id, example.columns) for example in heldout]
    if name not in UNTUNED:
        return make_baseline(name, lessons, evaluate.seed).predict(prompts)
    # torch, through students/
    from distill.stages.surroundings import surroundings_of  # noqa: PLC0415
    from distill.students.manifest import read_manifest  # noqa: PLC0415
    from distill.students.untuned import choose_examples, describe_untuned, open_untuned, show_examples  # noqa: PLC0415

    student_dir = context.inputs["train"] / STUDENT_DIR
    manifest = read_manifest(student_dir)
    examples = choose_examples(lessons, evaluate.few_shot_examples) if name == "few_shot" else []
    predictor = open_untuned(student_dir, examples, surroundings_of(context).runtime)
    if manifest.kind != "classifier":
        prompts = [show_examples(as_instruction(task, example), examples) for example in heldout]
    identity = cast("dict[str, Plain]", {"untuned": describe_untuned(manifest, examples)})
    return ask(predictor, AnswerCache(context.state_dir, identity), prompts, 0, context, f"baseline {name}")


def as_instruction(task: TaskConfig, example: Example) -> Prompt:
    """Return the teacher's own prompt as a student's: an untuned base knows no shorter one."""
    messages = render_teacher(task, example.columns)
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    user = "\n\n".join(message.content for message in messages if message.role != "system")
    return Prompt(example.id, user, system or None)


def answer_channel(target: str, heldout: Sequence[Example], task: TaskConfig, context: Context) -> list[Answer]:
    """Let the student that a channel points at answer the same rows.

    Raises:
        StoreError: that student is gone or damaged.
    """
    from distill.stages.surroundings import surroundings_of  # noqa: PLC0415 torch, through students/
    from distill.students.manifest import read_manifest  # noqa: PLC0415

    directory: Path = context.state_dir / target
    predictor = get_student(read_manifest(directory).kind).load(directory, surroundings_of(context).runtime)
    prompts = [render_student(task, example.id, example.columns) for example in heldout]
    cache = AnswerCache(context.state_dir, {"channel_target": target})
    return ask(predictor, cache, prompts, 0, context, "the channel's student answers the held-out set")
