"""What a classifier's soft targets rest on: how many lessons have one, and how much of the teacher's mass was read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import structlog

from distill.errors import DataError
from distill.records.json import Json
from distill.records.training import TrainingRow
from distill.stages.opinions import group_by_example, list_lone_answers, read_mass
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig

Row = Mapping[str, object]


def state_soft_targets(
    rows: Sequence[Row], lessons: Sequence[TrainingRow], task: TaskConfig, student: StudentConfig
) -> dict[str, Json]:
    """Return what is to be reported of the soft targets that `rows` gave `lessons`; nothing where none are used.

    Raises:
        DataError: they are wanted, and no lesson has one.
    """
    if student.objective.soft == 0 or student.kind != "classifier":
        return {}
    softened = sum(lesson.label_probs is not None for lesson in lessons)
    if not softened:
        why = "no kept row has several answers, or log-probabilities that tell its label"
        raise DataError(f"student.objective.soft > 0 would act nowhere: {why}; set teacher.top_logprobs or soft: 0")
    facts: dict[str, Json] = {"lessons_with_label_probabilities": softened}
    if task.output == "label" and task.labels:
        facts |= measure_mass(rows, task.labels)
    structlog.get_logger(__name__).info("soft_targets", **facts)
    return facts


def measure_mass(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Json]:
    """Return the teachers' mean label mass by what is known of it, over all answers with log-probabilities."""
    lone = [row for members in group_by_example(rows) for row in list_lone_answers(members) if row["top_tokens"]]
    if not lone:
        return {}
    parts = [mass.parts() for mass in (read_mass(row, labels) for row in lone) if mass is not None]
    names = parts[0] if parts else ()
    mass: dict[str, Json] = {name: round(math.fsum(part[name] for part in parts) / len(parts), 6) for name in names}
    return {
        "label_mass": mass,
        "answers_with_label_mass": len(parts),
        "answers_without_label_mass": len(lone) - len(parts),
    }
