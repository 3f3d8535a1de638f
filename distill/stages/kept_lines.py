"""Values kept by key between runs, in one append-only file per identity of what made them; never rewritten.

A line is one value, and a line cut off by a crash is passed over: its value is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from distill.engine.store import translate_os_errors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class KeptLines(Generic[T]):
    """What one file holds, as key -> value; `make` builds a value from its fields."""

    def __init__(self, path: Path, make: Callable[..., T]) -> None:
        """Read the file where it is; nothing is written before the first value."""
        self.path = path
        self._known = _read(path, make)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> T:
        return self._known[key]

    def append(self, values: Mapping[str, T]) -> None:
        """Keep values; those of a key that is known take its place.

        Raises:
            StoreError: the file cannot be written.
        """
        if not values:
            return
        with translate_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" if torn else "")
                for key, value in values.items():
                    file.write(json.dumps({"key": key, **asdict(value)}, ensure_ascii=False) + "\n")
        self._known.update(values)


def _read(path: Path, make: Callable[..., T]) -> dict[str, T]:
    if not path.is_file():
        return {}
    known: dict[str, T] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            body = json.loads(line)
            key = str(body.pop("key"))
            known[key] = make(**body)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # a line cut off by a crash: its value is made again
    return known
