"""Rejected answers as the stage sends them back: which answer it was, what it cost, why it was dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from distill.engine.parquet import read_batches

_READ = ("id", "teacher", "sample", "key", "answer", "error_kind", "cost_usd", "filter", "reason", "evidence")


class Place(NamedTuple):
    """Which answer: an example's, by which teacher, which sample."""

    id: str
    teacher: int
    sample: int


class Rejected(NamedTuple):
    """An answer that a filter dropped; `cost_usd` is all that its place has cost so far."""

    place: Place
    key: str
    answer: str
    error_kind: str | None
    cost_usd: float | None
    filter: str
    reason: str
    evidence: str


def read_rejected(row: Mapping[str, object]) -> Rejected:
    """Read what matters here of a row of the REJECTED schema."""
    found: dict[str, Any] = dict(row)
    place = Place(found["id"], found["teacher"], found["sample"])
    said = (found["key"], found["answer"] or "", found["error_kind"], found["cost_usd"])
    return Rejected(place, *said, found["filter"], found["reason"] or "", found["evidence"] or "")


def read_rows(tables: Sequence[pa.Table] | Iterator[pa.Table]) -> Iterator[Mapping[str, object]]:
    """Yield rejected rows, of their columns those that matter here."""
    for table in tables:
        yield from cast("list[dict[str, object]]", table.select(list(_READ)).to_pylist())


def read_rejected_table(path: Path) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a rejected.parquet.

    Raises:
        StoreError: there is no readable table.
    """
    return read_rows(read_batches(path, _READ))
