"""The validation rows: which they are, what is right for each, and how they are shared out.

Training looks at some (checkpoint, temperature), the fallback threshold is certified on others: a certificate on rows
that something was fitted to promises more than it keeps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from distill.engine.parquet import read_table
from distill.records.json import Json
from distill.records.training import Prompt
from distill.stages.examples_table import read_examples
from distill.stages.opinions import find_winner, group_by_example
from distill.tasks import Task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student


class ValidationParts(NamedTuple):
    """Ids for the choices of training and calibration, and ids on which the threshold is certified."""

    choosing: frozenset[str]
    certifying: frozenset[str]


class ValidationRow(NamedTuple):
    """A validation prompt and what is right for it: its gold, or the teacher's kept answer where there is none."""

    prompt: Prompt
    expected: Json


def read_validation_ids(split: Path) -> frozenset[str]:
    """Return the ids of the validation rows.

    Raises:
        StoreError: there is no readable table.
    """
    return frozenset(cast("list[str]", read_table(split / "validation.parquet", ["id"])["id"].to_pylist()))


def divide_validation(ids: Iterable[str], *, own_rows: bool) -> ValidationParts:
    """Share the ids out by a hash, about half and half; without `own_rows` both parts are all of them."""
    every = frozenset(ids)
    if not own_rows:
        return ValidationParts(every, every)
    certifying = frozenset(name for name in every if hashlib.sha256(f"certify:{name}".encode()).digest()[0] & 1)
    return ValidationParts(every - certifying, certifying)


def read_validation(split: Path, kept: Path, config: TaskConfig, task: Task) -> list[ValidationRow]:
    """Return the validation rows that have a reference, in the order of the table.

    Raises:
        StoreError: a table cannot be read.
        DataError: a prompt cannot be rendered.
    """
    taught = read_taught(kept)
    rows: list[ValidationRow] = []
    for example in read_examples(split / "validation.parquet"):
        gold = task.parse_gold(example.gold) if example.gold is not None else None
        if gold is not None and gold.error_kind is None:
            expected = gold.value
        elif example.id in taught:
            expected = taught[example.id]
        else:
            continue
        rows.append(ValidationRow(render_student(config, example.id, example.columns), expected))
    return rows


def read_taught(kept: Path) -> Mapping[str, Json]:
    """Return id -> the kept answer that is taught: the one with most votes.

    Raises:
        StoreError: the table cannot be read.
    """
    columns = ["id", "teacher", "sample", "target", "value_json"]
    rows = cast("list[dict[str, object]]", read_table(kept / "kept.parquet", columns).to_pylist())
    winners = [find_winner(members).row for members in group_by_example(rows)]
    return {cast("str", row["id"]): cast("Json", json.loads(cast("str", row["value_json"]))) for row in winners}
