"""From kept teacher answers to lessons: prompts rendered, the answers to an example made one, with soft targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pyarrow_compute

from distill.engine.parquet import read_batches, read_table
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
FILE = "kept.parquet"
PLACE = ("id", "teacher", "sample")
TAUGHT = (*PLACE, "columns_json", "value_json", "target", "rationale")
LOGPROBS = ("answer", "sampled_tokens", "sampled_logprobs", "top_tokens", "top_logprobs")
ROWS_AT_ONCE = 1024
"""Rows that are Python objects at the same time, besides the lessons made of them."""
pc: Any = pyarrow_compute
"""Its functions are made when it is imported, so the type checker knows none of them."""


def read_lessons(task: TaskConfig, context: Context, *, keep_logprobs: bool) -> list[TrainingRow]:
    """Return the lessons that `train` teaches: kept rows that are not validation rows.

    Raises:
        StoreError: a table cannot be read.
    """
    validation = read_validation_ids(context.inputs["split"])
    kept = context.inputs["kept"]
    return list(read_kept_lessons(kept, task, lambda name: name not in validation, keep_logprobs=keep_logprobs))


def read_kept_lessons(
    kept: Path, task: TaskConfig, wants: Callable[[str], bool], *, keep_logprobs: bool
) -> Iterator[TrainingRow]:
    """Make the lessons of the examples that `wants` names, as `make_lessons` does, a few rows in memory at a time.

    Log-probabilities of tokens stay with a lesson only under `keep_logprobs`: they are most of what it weighs.

    Raises:
        StoreError: the table cannot be read.
        DataError: a prompt cannot be rendered.
    """
    labelled = task.output == "label" and bool(task.labels)
    columns = [*TAUGHT, *(LOGPROBS if keep_logprobs or labelled else ())]
    for members in read_groups(kept, columns, wants):
        yield from _teach(members, task, keep_logprobs=keep_logprobs)


def read_groups(kept: Path, columns: Sequence[str], wants: Callable[[str], bool]) -> Iterator[list[Row]]:
    """Read the kept rows of the examples that `wants` names, example by example, as `group_by_example` has them.

    Raises:
        StoreError: the table cannot be read.
    """
    rows = _as_rows(_read_in_order(kept / FILE, columns))
    for name, members in groupby(rows, key=lambda row: cast("str", row["id"])):
        if wants(name):
            yield list(members)


def make_lessons(rows: Sequence[Row], task: TaskConfig) -> list[TrainingRow]:
    """Turn rows of the CANDIDATES schema (kept, parsed) into lessons, in order of id, teacher and sample.

    Label tasks get one lesson per example: the answer with most votes, with label probabilities from samples, teachers
    or log-probabilities; label sets likewise, each label voted on by itself. Other tasks get the answer that most of
    several teachers gave; free text, and the samples of one teacher, give one lesson per distinct answer.

    Raises:
        DataError: a prompt cannot be rendered.
    """
    return [lesson for members in group_by_example(rows) for lesson in _teach(members, task, keep_logprobs=True)]


def _read_in_order(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read a table in the order of id, teacher and sample; one that lies otherwise is sorted, which needs all of it."""
    place = read_table(path, PLACE)
    place = place.set_column(1, "teacher", pc.fill_null(place.column("teacher"), 0))
    order = pc.sort_indices(place, sort_keys=[(name, "ascending") for name in PLACE])
    if np.array_equal(order.to_numpy(), np.arange(len(order))):
        return read_batches(path, columns)
    return iter([read_table(path, columns).take(order)])


def _as_rows(tables: Iterable[pa.Table]) -> Iterator[Row]:
    for table in tables:
        for start in range(0, table.num_rows, ROWS_AT_ONCE):
            yield from cast("list[dict[str, object]]", table.slice(start, ROWS_AT_ONCE).to_pylist())


def _teach(members: Sequence[Row], task: TaskConfig, *, keep_logprobs: bool) -> list[TrainingRow]:
    if task.output == "label" and task.labels:
        probs = pool_label(members, task.labels)
        return [_lesson(find_winner(members), task, probs, keep_logprobs=keep_logprobs)]
    if task.output == "labels" and task.labels:
        probs = pool_labels(members, task.labels)
        return [_lesson(find_winner(members), task, probs, keep_logprobs=keep_logprobs)]
    if task.output != "text" and is_shared(members):
        return [_lesson(find_winner(members), task, keep_logprobs=keep_logprobs)]
    winners = [Winner(same[0], tuple(same)) for same in _distinct(members).values()]
    return [_lesson(winner, task, keep_logprobs=keep_logprobs) for winner in winners]


def _distinct(members: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in members:
        found.setdefault(cast("str", row["target"]), []).append(row)
    return found


def _lesson(
    winner: Winner, task: TaskConfig, label_probs: tuple[float, ...] | None = None, *, keep_logprobs: bool
) -> TrainingRow:
    """Teach an answer; a rationale and log-probabilities are those of the first that says it and has any."""
    row = winner.row
    identity = cast("str", row["id"])
    columns = cast("dict[str, Json]", json.loads(cast("str", row["columns_json"])))
    value = json.loads(cast("str", row["value_json"]))
    said = next((one for one in winner.agreeing if one["top_tokens"]), row) if keep_logprobs else None
    return TrainingRow(
        id=identity,
        prompt=render_student(task, identity, columns),
        target=cast("str", row["target"]),
        labels=tuple(value) if task.output == "labels" else None,
        label_probs=label_probs,
        logprobs=None if said is None else read_logprobs(said),
        rationale=next((one["rationale"] for one in winner.agreeing if isinstance(one["rationale"], str)), None),
    )
