"""Train: teach the student the kept answers. Validation rows choose the checkpoint; held-out rows are out of reach."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import cast

from distill.engine.fingerprint import Plain
from distill.engine.stage import Context, Stage, Summary
from distill.errors import DataError
from distill.records.training import TrainingRow
from distill.stages.lessons import read_groups, read_kept_lessons
from distill.stages.soft_targets import COLUMNS, state_soft_targets
from distill.stages.surroundings import surroundings_of
from distill.stages.validation import divide_validation, read_validation_ids
from distill.students import get_student
from distill.students.config import StudentConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

STUDENT_DIR = "student"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Who is taught and how; `own_threshold_rows` keeps half of validation for the fallback threshold alone."""

    task: TaskConfig
    student: StudentConfig
    own_threshold_rows: bool = False


def run_train(config: object, context: Context) -> Summary:
    """Train on the kept rows; write student/ and training.json.

    Raises:
        DataError: no row is left to train on, a lesson cannot be used, or soft targets are wanted and there are none.
        ConfigError: the base cannot be resolved.
    """
    config = cast("TrainConfig", config)
    validation_ids = read_validation_ids(context.inputs["split"])
    choosing = divide_validation(validation_ids, own_rows=config.own_threshold_rows).choosing
    train: list[TrainingRow] = []
    validation: list[TrainingRow] = []
    for lesson in read_kept_lessons(
        context.inputs["kept"],
        config.task,
        lambda name: name in choosing or name not in validation_ids,
        keep_logprobs=config.student.reads_logprobs,
    ):
        (validation if lesson.id in validation_ids else train).append(lesson)
    if not train:
        raise DataError("the filters kept no row to train on; see: distill inspect RUN filter")
    taught = read_groups(context.inputs["kept"], COLUMNS, lambda name: name not in validation_ids)
    soft = state_soft_targets(taught, train, config.task, config.student)
    runtime = surroundings_of(context).runtime
    student_dir = context.output_dir / STUDENT_DIR
    student_dir.mkdir()
    from distill.students.crew import Job, train_together  # noqa: PLC0415 loads torch, which a cached stage never needs
    from distill.students.parity import measure_parity, write_parity  # noqa: PLC0415 the same

    student = get_student(config.student.kind)
    report = train_together(
        Job(Lessons(train, validation), config.task, config.student, runtime, context.work_dir),
        student_dir,
        on_progress=lambda step, total, loss: context.progress(step, total, f"loss {loss:.3f}"),
    )
    forms = measure_parity(student, student_dir, runtime)
    write_parity(student_dir, forms)
    (context.output_dir / "training.json").write_text(
        json.dumps(asdict(replace(report, facts=report.facts | soft)), indent=1, sort_keys=True, ensure_ascii=False),
        encoding="utf-8",
    )
    facts: dict[str, Plain] = {
        "steps": report.steps,
        "trainable_parameters": report.trainable_parameters,
        "preflight": report.preflight.facts(),
        "rows_dropped": {reason: len(ids) for reason, ids in report.rows_dropped.items()},
        "rows_truncated": len(report.rows_truncated),
        "parity": {form.form: form.agreement for form in forms},
    }
    return Summary(rows_in=len(train) + len(validation), rows_out=report.rows_trained, facts=facts)


TRAIN = Stage("train", 5, run_train)
