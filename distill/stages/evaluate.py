"""Evaluate: every system answers the sealed held-out set; what they said is scored, never what they are called.

The only stage that sees held-out rows. The fallback threshold is chosen on validation rows before any of them is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table, write_rows
from distill.engine.stage import Context, Stage, Summary
from distill.errors import DataError
from distill.metrics.config import EvaluateConfig
from distill.records.completion import Completion
from distill.records.example import Example
from distill.records.json import Json
from distill.records.prediction import Prediction
from distill.records.tables import PREDICTIONS
from distill.records.training import Answer, Prompt
from distill.stages.card import write_card
from distill.stages.examples_table import read_examples
from distill.stages.generate import make_orders, write_ledger
from distill.stages.lessons import make_lessons
from distill.stages.looks import count_look
from distill.stages.package import package_student
from distill.stages.parity import probe, write_probes
from distill.stages.scoring import (
    Reference,
    gold_reference,
    prediction_row,
    score_answers,
    score_completions,
    teacher_reference,
)
from distill.stages.split import seal_digest
from distill.stages.surroundings import surroundings_of
from distill.stages.teacher_identity import TeacherIdentity
from distill.stages.train import STUDENT_DIR
from distill.students import get_student
from distill.students.baselines import make_baseline
from distill.students.config import StudentConfig
from distill.students.protocol import Predictor
from distill.tasks import Task, make_task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student
from distill.teachers import Budget, open_teacher

if TYPE_CHECKING:
    from distill.metrics.threshold import ThresholdChoice

LATENCY_ROWS = 100
WARM_UP_ROWS = 8
"""Held-out rows the student answers one at a time, for its latency; the rest goes in batches, for its throughput."""


@dataclass(frozen=True, slots=True)
class EvaluateStageConfig:
    """What is measured, with which teacher, on which kind of student."""

    task: TaskConfig
    evaluate: EvaluateConfig
    teacher: TeacherIdentity
    student: StudentConfig


@dataclass(slots=True)
class Evaluation:
    """evaluation.json: what the gate and the report need beside the predictions."""

    heldout_digest: str
    heldout_rows: int
    look: int
    reference: str
    expected: dict[str, str] = field(default_factory=dict[str, str])
    threshold: dict[str, Json] | None = None
    throughput_per_s: float | None = None
    finished: str = ""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list[str])


def run_evaluate(config: object, context: Context) -> Summary:
    """Write predictions.parquet, evaluation.json, parity.json and ledger.json.

    Raises:
        DataError: the held-out set is not the one that was sealed.
        TeacherError: the teacher cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    from distill.metrics.threshold import cascade  # noqa: PLC0415 scipy, which an idle run must not wait for

    config = cast("EvaluateStageConfig", config)
    started = time.perf_counter()
    task = make_task(config.task)
    runtime = surroundings_of(context).runtime
    heldout, seal = read_sealed(context)
    evaluation = Evaluation(seal, len(heldout), count_look(context.state_dir, seal, context.key), "gold")
    evaluation.expected = {example.id: example.content_hash for example in heldout}
    predictor = get_student(config.student.kind).load(context.inputs["train"] / STUDENT_DIR, runtime)
    choice = None
    if config.evaluate.fallback is not None:
        choice = fit_threshold(predictor, config, task, context)
        evaluation.threshold = cast("dict[str, Json]", json.loads(json.dumps(asdict(choice))))
    completions, spent_usd = ask_teacher(heldout, config.task, context)
    reference = gold_reference(heldout, task) or teacher_reference(completions, task)
    evaluation.reference = reference.kind
    predictions = score_completions(completions, heldout, task, reference)
    teacher = [prediction for prediction in predictions if prediction.repeat == 0]
    answers, evaluation.throughput_per_s = answer_heldout(predictor, heldout, config.task, context)
    student = score_answers("student", answers, heldout, task, reference)
    predictions += student
    if choice is not None:
        predictions += cascade(student, teacher, choice.threshold)
    predictions += score_baselines(config, heldout, task, reference, context)
    write_rows([prediction_row(p) for p in predictions], PREDICTIONS, context.output_dir / "predictions.parquet")
    evaluation.seconds = round(time.perf_counter() - started, 3)
    evaluation.finished = datetime.now(UTC).isoformat(timespec="seconds")
    known = {"heldout_rows": len(heldout), "heldout_digest": seal, "train_key": context.inputs["train"].name}
    teacher_config = surroundings_of(context).teacher
    card = write_card(config.student, config.task, teacher_config, predictions, known, choice)
    package_student(context, choice, card)
    write_probes(probe(predictor, config.task, context.inputs["split"]), context.output_dir)
    text = json.dumps(asdict(evaluation), indent=1, sort_keys=True, ensure_ascii=False)
    (context.output_dir / "evaluation.json").write_text(text, encoding="utf-8")
    facts: dict[str, Plain] = {"look": evaluation.look, "heldout_digest": seal}
    return Summary(rows_in=len(heldout), rows_out=len(predictions), cost_usd=spent_usd, facts=facts)


def read_sealed(context: Context) -> tuple[list[Example], str]:
    """Read the held-out set and check its seal.

    Raises:
        DataError: rows or contents differ from what the split sealed.
    """
    heldout = read_examples(context.inputs["sealed"] / "heldout.parquet")
    seal = json.loads((context.inputs["sealed"] / "seal.json").read_text(encoding="utf-8"))
    if seal_digest(heldout) != seal["digest"] or len(heldout) != seal["rows"]:
        raise DataError(f"{context.inputs['sealed']}: the held-out set is not the one that was sealed; run split again")
    return heldout, str(seal["digest"])


def fit_threshold(predictor: Predictor, config: EvaluateStageConfig, task: Task, context: Context) -> ThresholdChoice:
    """Choose the confidence from which the student answers, on validation rows only.

    A validation row counts as right when the student agrees with its gold, or with the teacher where there is none.
    """
    from distill.metrics.threshold import choose_threshold  # noqa: PLC0415 scipy, as above

    fallback = config.evaluate.fallback
    assert fallback is not None
    rows, expected = read_validation(config.task, task, context)
    answers = predict_in_batches(predictor, rows, context, "choosing the threshold on validation rows")
    by_id = {answer.id: answer for answer in answers}
    confidences: list[float] = []
    correct: list[bool] = []
    table: list[dict[str, object]] = []
    for prompt in rows:
        answer = by_id[prompt.id]
        parsed = task.parse(answer.text) if answer.error_kind is None else None
        right = (
            parsed is not None and parsed.error_kind is None and task.score(parsed.value, expected[prompt.id]) >= 1.0
        )
        confidences.append(answer.confidence or 0.0)
        correct.append(right)
        table.append({"id": prompt.id, "confidence": answer.confidence or 0.0, "correct": right})
    (context.output_dir / "validation.json").write_text(json.dumps(table), encoding="utf-8")
    return choose_threshold(confidences, correct, fallback, config.evaluate.seed)


def read_validation(task_config: TaskConfig, task: Task, context: Context) -> tuple[list[Prompt], dict[str, Json]]:
    """Return the validation prompts and what is right for each, for rows that have a reference."""
    kept = cast(
        "list[dict[str, str]]",
        read_table(context.inputs["kept"] / "kept.parquet", ["id", "sample", "value_json"]).to_pylist(),
    )
    taught = {row["id"]: cast("Json", json.loads(row["value_json"])) for row in reversed(kept)}
    expected: dict[str, Json] = {}
    prompts: list[Prompt] = []
    for example in read_examples(context.inputs["split"] / "validation.parquet"):
        gold = task.parse_gold(example.gold) if example.gold is not None else None
        if gold is not None and gold.error_kind is None:
            expected[example.id] = gold.value
        elif example.id in taught:
            expected[example.id] = taught[example.id]
        else:
            continue
        prompts.append(render_student(task_config, example.id, example.columns))
    return prompts, expected


def ask_teacher(heldout: Sequence[Example], task: TaskConfig, context: Context) -> tuple[list[Completion], float]:
    """Buy the teacher's answers on the held-out set, through the journal; return them and the dollars spent now.

    Raises:
        TeacherError: the teacher cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    surroundings = surroundings_of(context)
    orders = make_orders(heldout, task, surroundings)
    with open_teacher(
        surroundings.teacher, surroundings.runtime, task_labels=task.labels, resolve=surroundings.base_dir
    ) as teacher:
        standing = teacher.check(training=False)
        completions = teacher.buy(
            orders,
            budget=Budget(surroundings.budget_usd),
            on_progress=lambda p: context.progress(p.done, p.total, "the teacher answers the held-out set"),
        )
        write_ledger(context, teacher, standing)
        return completions, teacher.ledger.usd


def answer_heldout(
    predictor: Predictor, heldout: Sequence[Example], task: TaskConfig, context: Context
) -> tuple[list[Answer], float | None]:
    """Let the student answer: the first rows one at a time (latency), the rest in batches (throughput, rows/s)."""
    prompts = [render_student(task, example.id, example.columns) for example in heldout]
    single, rest = prompts[:LATENCY_ROWS], prompts[LATENCY_ROWS:]
    predictor.predict(single[:WARM_UP_ROWS])
    answers: list[Answer] = []
    for done, prompt in enumerate(single):
        begun = time.perf_counter()
        answer = predictor.predict([prompt])[0]
        answers.append(replace(answer, latency_ms=(time.perf_counter() - begun) * 1000))
        context.progress(done + 1, len(prompts), "the student answers the held-out set")
    measured = rest or single
    begun = time.perf_counter()
    batched = predict_in_batches(predictor, measured, context, "the student answers the held-out set", len(single))
    seconds = time.perf_counter() - begun
    if rest:
        answers += [replace(answer, latency_ms=0.0) for answer in batched]
    return answers, len(measured) / seconds if seconds > 0 else None


BATCH_ROWS = 256


def predict_in_batches(
    predictor: Predictor, prompts: Sequence[Prompt], context: Context, note: str, already: int = 0
) -> list[Answer]:
    """Predict in chunks large enough to batch by length and small enough to show progress."""
    answers: list[Answer] = []
    for start in range(0, len(prompts), BATCH_ROWS):
        answers += predictor.predict(prompts[start : start + BATCH_ROWS])
        context.progress(already + len(answers), already + len(prompts), note)
    return answers


def score_baselines(
    config: EvaluateStageConfig, heldout: Sequence[Example], task: Task, reference: Reference, context: Context
) -> list[Prediction]:
    """Fit the baselines on the same lessons and score them."""
    validation = set(
        cast("list[str]", read_table(context.inputs["split"] / "validation.parquet", ["id"])["id"].to_pylist())
    )
    kept = cast("list[dict[str, object]]", read_table(context.inputs["kept"] / "kept.parquet").to_pylist())
    lessons = make_lessons([row for row in kept if row["id"] not in validation], config.task)
    prompts = [render_student(config.task, example.id, example.columns) for example in heldout]
    predictions: list[Prediction] = []
    for name in config.evaluate.baselines:
        context.progress(0, None, f"baseline {name}")
        baseline = make_baseline(name, lessons, config.evaluate.seed)
        predictions += score_answers(name, baseline.predict(prompts), heldout, task, reference)
    return predictions


EVALUATE = Stage("evaluate", 1, run_evaluate)
