"""What every reader yields: a row, or the reason a line is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from distill.records.json import Json


class Row(NamedTuple):
    """One line of a source: `values`, or `problem` when it cannot be read. `where` is file:line."""

    where: str
    values: Mapping[str, Json] | None
    problem: str = ""


class MalformedLine(NamedTuple):
    """A line that was left out, and why."""

    where: str
    message: str


Reader: TypeAlias = Callable[[Path, str], Iterator[Row]]
"""Reads one file; the second argument is its name in messages. Raises DataError when the whole file is unusable."""
