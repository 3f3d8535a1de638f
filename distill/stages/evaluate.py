"""Evaluate: every system answers the sealed held-out set; what they said is scored, never what they are called.

The only stage that sees held-out rows. The fallback threshold is chosen on validation rows before any of them is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import write_rows
from distill.engine.stage import Context, Stage, Summary
from distill.metrics.config import EvaluateConfig
from distill.records.example import Example
from distill.records.json import Json
from distill.records.prediction import Prediction
from distill.records.tables import PREDICTIONS
from distill.stages.baselines import answer_baseline
from distill.stages.card import score_systems, write_card
from distill.stages.card_facts import read_card_facts
from distill.stages.gold import find_unreadable
from distill.stages.heldout import Sealed, read_sealed
from distill.stages.likelihoods import render_references, weigh_references
from distill.stages.looks import count_look, find_reused, read_looks
from distill.stages.package import package_student
from distill.stages.parity import probe, write_probes
from distill.stages.rivals import JUDGE, Bought, ask_rival, ask_teacher, judge_answers, write_rival_ledgers
from distill.stages.scoring import (
    gold_reference,
    partial_gold,
    prediction_row,
    score_answers,
    score_completions,
    self_agreement,
    teacher_reference,
    with_gold_scores,
)
from distill.stages.surroundings import surroundings_of
from distill.stages.systems import Asked, LoadedStudent, answer_channel, answer_heldout, ask, load_student
from distill.stages.teacher_identity import TeacherIdentity
from distill.stages.threshold import Fitted, fit_threshold
from distill.stages.validation import read_validation
from distill.students.config import StudentConfig
from distill.tasks import Task, make_task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student


@dataclass(frozen=True, slots=True)
class EvaluateStageConfig:
    """What is measured, with which teacher, on which kind of student; `channels`: name -> the student it points at."""

    task: TaskConfig
    evaluate: EvaluateConfig
    teacher: TeacherIdentity
    student: StudentConfig
    channels: Mapping[str, str] = field(default_factory=dict[str, str])
    weighs_references: bool = False
    """Whether a metric needs to know how likely systems find the references."""


@dataclass(slots=True)
class Evaluation:
    """evaluation.json: what the gate and the report need beside the predictions."""

    heldout_digest: str
    heldout_rows: int
    look: int
    is_rehearsal: bool = False
    reference: str = "gold"
    gold_rows: int = 0
    expected: dict[str, str] = field(default_factory=dict[str, str])
    threshold: dict[str, Json] | None = None
    calibration: dict[str, Json] | None = None
    throughput_per_s: float | None = None
    cold_load_ms: float | None = None
    cold_first_answer_ms: float | None = None
    cold_starts_ms: list[float] = field(default_factory=list[float])
    self_agreement: dict[str, Json] | None = None
    finished: str = ""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list[str])
    remarks: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Measured:
    """What the systems said, scored, and what was paid for it."""

    predictions: list[Prediction]
    usd: float


def run_evaluate(config: object, context: Context) -> Summary:
    """Write predictions.parquet, validation.json, evaluation.json, parity.json, ledger.json, rivals.json.

    Raises:
        DataError: the held-out set is not the one that was sealed.
        TeacherError: the teacher, a rival or the judge cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    config = cast("EvaluateStageConfig", config)
    started = time.perf_counter()
    task = make_task(config.task)
    student = load_student(config.student.kind, surroundings_of(context).runtime, context)
    fitted = choose_fallback(student, config, task, context)
    sealed = read_sealed(context)
    evaluation = begin(sealed, context)
    evaluation.expected = {example.id: example.content_hash for example in sealed.rows}
    if fitted is not None:
        evaluation.threshold = cast("dict[str, Json]", json.loads(json.dumps(asdict(fitted.choice))))
        evaluation.calibration = None if fitted.calibration is None else fitted.calibration.to_json()
    measured = measure(student, fitted, config, task, sealed, evaluation, context)
    rows = [prediction_row(p) for p in measured.predictions]
    write_rows(rows, PREDICTIONS, context.output_dir / "predictions.parquet")
    evaluation.seconds = round(time.perf_counter() - started, 3)
    evaluation.finished = datetime.now(UTC).isoformat(timespec="seconds")
    package(config, measured.predictions, fitted, sealed, context)
    write_probes(probe(student.predictor, config.task, context.inputs["split"]), context.output_dir)
    text = json.dumps(asdict(evaluation), indent=1, sort_keys=True, ensure_ascii=False)
    (context.output_dir / "evaluation.json").write_text(text, encoding="utf-8")
    facts: dict[str, Plain] = {"look": evaluation.look, "heldout_digest": sealed.digest}
    return Summary(rows_in=len(sealed.rows), rows_out=len(rows), cost_usd=measured.usd, facts=facts)


def begin(sealed: Sealed, context: Context) -> Evaluation:
    """Count this look at the sealed rows, before any is asked; a rehearsal is counted apart.

    Raises:
        OSError: the ledger of looks cannot be written.
    """
    is_rehearsal = surroundings_of(context).is_rehearsal
    kind = "rehearsal" if is_rehearsal else "look"
    look = count_look(context.state_dir, sealed.digest, context.key, kind)
    evaluation = Evaluation(sealed.digest, len(sealed.rows), look, is_rehearsal)
    rehearsals = 0 if is_rehearsal else len(read_looks(context.state_dir, sealed.digest, "rehearsal"))
    if rehearsals:
        evaluation.remarks.append(
            f"rehearsals evaluated on these held-out rows before: {rehearsals}; they are no looks, "
            "so choose nothing by them"
        )
    hashes = [example.content_hash for example in sealed.rows]
    reused = None if is_rehearsal else find_reused(context.state_dir, sealed.digest, hashes)
    if reused is not None:
        evaluation.remarks.append(
            f"{reused.rows} of these {len(hashes)} held-out rows were in other sets that were looked at before "
            f"(looks: {reused.looks}); only rows that nobody has looked at restore full confidence"
        )
    return evaluation


def choose_fallback(student: LoadedStudent, config: EvaluateStageConfig, task: Task, context: Context) -> Fitted | None:
    """Calibrate and choose the fallback threshold on validation rows; None where there is no fallback.

    Raises:
        DataError: there are no validation rows, or a confidence is not a number in [0, 1].
    """
    fallback = config.evaluate.fallback
    if fallback is None:
        return None
    rows = read_validation(context.inputs["split"], context.inputs["kept"], config.task, task)
    prompts = [row.prompt for row in rows]
    answers = ask(student.predictor, student.cache, prompts, 0, context, "choosing the threshold on validation rows")
    return fit_threshold(rows, answers, task, fallback, config.evaluate.seed, context)


def measure(
    student: LoadedStudent,
    fitted: Fitted | None,
    config: EvaluateStageConfig,
    task: Task,
    sealed: Sealed,
    evaluation: Evaluation,
    context: Context,
) -> Measured:
    """Ask every system and score what it said against one reference.

    Raises:
        TeacherError: the teacher, a rival or the judge cannot be used.
        BudgetExceededError: the next call could pass the budget.
    """
    from distill.metrics.threshold import cascade  # noqa: PLC0415 scipy, which an idle run must not wait for

    heldout = sealed.rows
    bought: dict[str, Bought] = {"teacher": ask_teacher(heldout, config.task, config.evaluate.repeats, context)}
    completions = bought["teacher"].completions
    reference = gold_reference(heldout, task) or teacher_reference(completions, task)
    teacher = score_completions(completions, heldout, task, reference)
    evaluation.reference = reference.kind
    evaluation.self_agreement = self_agreement(teacher, task)
    prompts = [render_student(config.task, example.id, example.columns) for example in heldout]
    rounds, speed = answer_heldout(student, prompts, config.evaluate, context)
    evaluation.throughput_per_s = speed.throughput_per_s
    evaluation.cold_load_ms = round(speed.cold_load_ms, 1)
    evaluation.cold_first_answer_ms = round(speed.cold_first_answer_ms, 1)
    evaluation.cold_starts_ms = [round(one, 1) for one in speed.cold_starts_ms]
    references = render_references(reference, task) if config.weighs_references else {}
    weighed = weigh_references(student.predictor, student.identity, prompts, references, context, "the student")
    own = [
        prediction
        for repeat, answers in enumerate(rounds)
        for prediction in score_answers("student", answers, heldout, task, reference, repeat, weighed)
    ]
    if config.evaluate.judge is not None:
        own, bought[JUDGE] = judge_answers(own, teacher, heldout, config.task, config.evaluate.judge, context)
    predictions = teacher + own
    if fitted is not None:
        once = [p for p in own if p.repeat == 0]
        predictions += cascade(once, [p for p in teacher if p.repeat == 0], fitted.choice.threshold)
    for name, asked in ask_local(config, heldout, references, context).items():
        predictions += score_answers(name, asked.answers, heldout, task, reference, 0, asked.likelihoods)
        evaluation.remarks += asked.remarks
    for model in config.evaluate.models:
        bought[model.name] = ask_rival(heldout, config.task, model, context)
        predictions += score_completions(bought[model.name].completions, heldout, task, reference, model.name)
    write_rival_ledgers({name: found for name, found in bought.items() if name != "teacher"}, context)
    unreadable = find_unreadable(heldout, task)
    if unreadable:
        first = f"first {unreadable[0].example.id!r}: {unreadable[0].why}"
        evaluation.problems.append(f"{len(unreadable)} held-out rows have gold that is no answer of the task ({first})")
    gold = partial_gold(heldout, task) if reference.kind == "teacher" else {}
    evaluation.gold_rows = len(heldout) if reference.kind == "gold" else len(gold)
    return Measured(with_gold_scores(predictions, gold, task), sum(found.usd for found in bought.values()))


def ask_local(
    config: EvaluateStageConfig, heldout: Sequence[Example], references: Mapping[str, str], context: Context
) -> dict[str, Asked]:
    """Ask the baselines and the students of channels, by name."""
    found: dict[str, Asked] = {}
    for name in config.evaluate.baselines:
        found[name] = answer_baseline(name, heldout, config.task, config.evaluate, context, references)
    for name, target in sorted(config.channels.items()):
        found[f"channel:{name}"] = answer_channel(target, heldout, config.task, context, references)
    return found


def package(
    config: EvaluateStageConfig,
    predictions: Sequence[Prediction],
    fitted: Fitted | None,
    sealed: Sealed,
    context: Context,
) -> None:
    """Write student/ as it would be served: files, threshold, calibration and card."""
    facts = read_card_facts(context, len(sealed.rows), sealed.digest)
    scores = score_systems(predictions, config.evaluate.metrics or ())
    choice = None if fitted is None else fitted.choice
    card = write_card(config.student, config.task, surroundings_of(context).teachers, scores, facts, choice)
    package_student(context, {} if fitted is None else fitted.manifest(), card)


EVALUATE = Stage("evaluate", 5, run_evaluate)
