"""Examples as table rows and back; the one place that knows both forms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from distill.engine.parquet import read_table, write_rows
from distill.records.example import Example
from distill.records.json import Json, dump_canonical
from distill.records.tables import EXAMPLES


def make_table(examples: Sequence[Example]) -> pa.Table:
    """Return examples as a table of the EXAMPLES schema."""
    return pa.Table.from_pylist([_to_row(example) for example in examples], schema=EXAMPLES)


def write_examples(examples: Sequence[Example], path: Path) -> None:
    """Write examples in their order.

    Raises:
        StoreError: a value does not fit.
    """
    write_rows([_to_row(example) for example in examples], EXAMPLES, path)


def read_examples(path: Path) -> list[Example]:
    """Read examples in their order.

    Raises:
        StoreError: there is no readable table.
    """
    return [_from_row(row) for row in cast("list[dict[str, object]]", read_table(path).to_pylist())]


def _to_row(example: Example) -> dict[str, object]:
    return {
        "id": example.id,
        "text": example.text,
        "columns_json": dump_canonical(example.columns),
        "gold_json": None if example.gold is None else dump_canonical(example.gold),
        "teacher_output": example.teacher_output,
        "group": example.group,
        "time": example.time,
        "slices": sorted(example.slices.items()),
        "content_hash": example.content_hash,
        "where": example.where,
    }


def _from_row(row: dict[str, object]) -> Example:
    gold = cast("str | None", row["gold_json"])
    return Example(
        id=cast("str", row["id"]),
        text=cast("str", row["text"]),
        columns=cast("dict[str, Json]", json.loads(cast("str", row["columns_json"]))),
        gold=None if gold is None else cast("Json", json.loads(gold)),
        teacher_output=cast("str | None", row["teacher_output"]),
        group=cast("str | None", row["group"]),
        time=cast("str | None", row["time"]),
        slices=dict(cast("list[tuple[str, str]]", row["slices"] or [])),
        content_hash=cast("str", row["content_hash"]),
        where=cast("str", row["where"]),
    )


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables of one schema beneath each other."""
    return pa.concat_tables(list(tables))
