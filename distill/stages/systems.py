"""Local systems answering the held-out set: the student, and students of channels. Neither is favoured.

Answers come through the cache; time is measured afresh on every evaluation, on rows asked one at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from distill.engine.fingerprint import Plain
from distill.engine.stage import Context
from distill.metrics.config import EvaluateConfig
from distill.records.example import Example
from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Likelihood, Prompt
from distill.stages.answer_cache import AnswerCache
from distill.stages.likelihoods import weigh_references
from distill.stages.surroundings import surroundings_of
from distill.stages.train import STUDENT_DIR
from distill.students import get_student
from distill.students.protocol import Predictor
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student

WARM_UP_ROWS = 8
BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the student is here. `cold_*`: loading it, and its very first answer; the other answers are warm.

    `cold_starts_ms` are both together, for each start that was made; only the first had to read the files from the disk
    and to load what loads them.
    """

    throughput_per_s: float | None
    cold_load_ms: float
    cold_first_answer_ms: float
    cold_starts_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedStudent:
    """The student with what its answers are kept under and the time it took to load."""

    predictor: Predictor
    cache: AnswerCache
    load_ms: float
    identity: Mapping[str, Plain]
    reload: Callable[[], Predictor]


class Asked(NamedTuple):
    """What a system said, how likely it finds the references (id -> likelihood), and what a reader must hear of it."""

    answers: list[Answer]
    likelihoods: Mapping[str, Likelihood] = {}
    remarks: tuple[str, ...] = ()


def load_student(kind: str, runtime: RuntimeConfig, context: Context) -> LoadedStudent:
    """Load the trained student; its answers are kept under the key of the training that made it.

    Raises:
        StoreError: the student is damaged.
    """

    def load() -> Predictor:
        return get_student(kind).load(context.inputs["train"] / STUDENT_DIR, runtime)

    begun = time.perf_counter()
    predictor = load()
    load_ms = (time.perf_counter() - begun) * 1000
    identity: dict[str, Plain] = {"train": context.inputs["train"].name}
    return LoadedStudent(predictor, AnswerCache(context.state_dir, identity), load_ms, identity, load)


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
    again = start_again(student, prompts[:1], evaluate.cold_starts - 1, context)
    return rounds, Speed(throughput, student.load_ms, first_ms, (student.load_ms + first_ms, *again))


def start_again(student: LoadedStudent, prompts: Sequence[Prompt], starts: int, context: Context) -> list[float]:
    """Load the student anew `starts` times and ask each for one answer; return the ms that each took."""
    found: list[float] = []
    for start in range(starts):
        context.progress(start, starts, "cold starts")
        begun = time.perf_counter()
        student.reload().predict(prompts)
        found.append((time.perf_counter() - begun) * 1000)
    return found


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


def answer_channel(
    target: str,
    heldout: Sequence[Example],
    task: TaskConfig,
    context: Context,
    references: Mapping[str, str] | None = None,
) -> Asked:
    """Let the student that a channel points at answer the same rows, and weigh `references` where there are any.

    Raises:
        StoreError: that student is gone or damaged.
    """
    from distill.students.manifest import read_manifest  # noqa: PLC0415 beside torch, loaded by now

    directory: Path = context.state_dir / target
    runtime = surroundings_of(context).runtime
    predictor = get_student(read_manifest(directory).kind).load(directory, runtime)
    prompts = [render_student(task, example.id, example.columns) for example in heldout]
    identity: dict[str, Plain] = {"channel_target": target}
    cache = AnswerCache(context.state_dir, identity)
    answers = ask(predictor, cache, prompts, 0, context, "the channel's student answers the held-out set")
    weighed = weigh_references(predictor, identity, prompts, references or {}, context, "the channel's student")
    return Asked(answers, weighed)
