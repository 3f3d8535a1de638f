"""What a classifier's soft targets rest on: how many lessons have one, and how much of the teacher's mass was read."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import structlog

from distill.errors import DataError
from distill.records.json import Json
from distill.records.training import TrainingRow
from distill.stages.lessons import LOGPROBS, PLACE
from distill.stages.opinions import list_lone_answers, read_mass
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig

Row = Mapping[str, object]
COLUMNS = (*PLACE, "target", *LOGPROBS)


def state_soft_targets(
    groups: Iterable[Sequence[Row]], lessons: Sequence[TrainingRow], task: TaskConfig, student: StudentConfig
) -> dict[str, Json]:
    """Return what is to be reported of the soft targets that `groups` gave `lessons`; nothing where none are used.

    A group is the answers to one example, by the columns of COLUMNS; they are read only where they are needed.

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
        facts |= measure_mass(groups, task.labels)
    structlog.get_logger(__name__).info("soft_targets", **facts)
    return facts


def measure_mass(groups: Iterable[Sequence[Row]], labels: Sequence[str]) -> dict[str, Json]:
    """Return the teachers' mean label mass by what is known of it, over all answers with log-probabilities."""
    parts: dict[str, array[float]] = defaultdict(lambda: array("d"))
    lone = known = 0
    for members in groups:
        for row in list_lone_answers(members):
            if row["top_tokens"]:
                lone += 1
                mass = read_mass(row, labels)
                known += mass is not None
                for name, value in ({} if mass is None else mass.parts()).items():
                    parts[name].append(value)
    if not lone:
        return {}
    means: dict[str, Json] = {name: round(math.fsum(values) / known, 6) for name, values in parts.items()}
    return {"label_mass": means, "answers_with_label_mass": known, "answers_without_label_mass": lone - known}
