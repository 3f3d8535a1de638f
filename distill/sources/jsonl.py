"""JSON lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from distill.errors import DataError
from distill.records.json import load_strict
from distill.sources.lines import read_lines
from distill.sources.row import Row


def read_jsonl(path: Path, name: str) -> Iterator[Row]:
    """Yield one row a line; a line that is no strict JSON object comes as a problem.

    Raises:
        DataError: the file cannot be read, or is one JSON array.
    """
    for line in read_lines(path, name):
        where = f"{name}:{line.number}"
        if line.text is None:
            yield Row(where, None, line.problem)
            continue
        if line.number == 1 and line.text.strip() in ("[", "[{"):
            raise DataError(f"{name}: a JSON array; write one object a line (jq -c '.[]')")
        try:
            value = load_strict(line.text)
        except ValueError as error:
            yield Row(where, None, f"not a JSON object: {error}")
            continue
        if isinstance(value, Mapping):
            yield Row(where, value)
        else:
            yield Row(where, None, f"expected a JSON object, got {type(value).__name__}")
