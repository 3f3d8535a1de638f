"""From kept teacher answers to lessons: prompts rendered, the answers to an example made one, with soft targets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from distill.engine.parquet import read_table
from distill.engine.stage import Context
from distill.records.json import Json
from distill.records.training import TrainingRow
from distill.stages.opinions import (
    Winner,
    find_winner,
    group_by_example,
    is_shared,
    pool_label,
    pool_labels,
    read_logprobs,
)
from distill.stages.validation import read_validation_ids
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student

Row = Mapping[str, object]


def read_lessons(task: TaskConfig, context: Context) -> list[TrainingRow]:
    """Return the lessons that `train` teaches: kept rows that are not validation rows.

    Raises:
        StoreError: a table cannot be read.
    """
    validation = read_validation_ids(context.inputs["split"])
    kept = cast("list[dict[str, object]]", read_table(context.inputs["kept"] / "kept.parquet").to_pylist())
    return make_lessons([row for row in kept if row["id"] not in validation], task)


def make_lessons(rows: Sequence[Row], task: TaskConfig) -> list[TrainingRow]:
    """Turn rows of the CANDIDATES schema (kept, parsed) into lessons, in order of id, teacher and sample.

    Label tasks get one lesson per example: the answer with most votes, with label probabilities from samples, teachers
    or log-probabilities; label sets likewise, each label voted on by itself. Other tasks get the answer that most of
    several teachers gave; free text, and the samples of one teacher, give one lesson per distinct answer.

    Raises:
        DataError: a prompt cannot be rendered.
    """
    return [lesson for members in group_by_example(rows) for lesson in _teach(members, task)]


def _teach(members: Sequence[Row], task: TaskConfig) -> list[TrainingRow]:
    if task.output == "label" and task.labels:
        return [_lesson(find_winner(members), task, pool_label(members, task.labels))]
    if task.output == "labels" and task.labels:
        return [_lesson(find_winner(members), task, pool_labels(members, task.labels))]
    if task.output != "text" and is_shared(members):
        return [_lesson(find_winner(members), task)]
    return [_lesson(Winner(same[0], tuple(same)), task) for same in _distinct(members).values()]


def _distinct(members: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in members:
        found.setdefault(cast("str", row["target"]), []).append(row)
    return found


def _lesson(winner: Winner, task: TaskConfig, label_probs: tuple[float, ...] | None = None) -> TrainingRow:
    """Teach an answer; a rationale and log-probabilities are those of the first that says it and has any."""
    row = winner.row
    identity = cast("str", row["id"])
    columns = cast("dict[str, Json]", json.loads(cast("str", row["columns_json"])))
    value = json.loads(cast("str", row["value_json"]))
    return TrainingRow(
        id=identity,
        prompt=render_student(task, identity, columns),
        target=cast("str", row["target"]),
        labels=tuple(value) if task.output == "labels" else None,
        label_probs=label_probs,
        logprobs=read_logprobs(next((one for one in winner.agreeing if one["top_tokens"]), row)),
        rationale=next((one["rationale"] for one in winner.agreeing if isinstance(one["rationale"], str)), None),
    )
