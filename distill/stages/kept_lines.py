"""Values kept by key between runs, in one append-only file per identity of what made them; never rewritten.

A line is one value, and a line cut off by a crash is passed over: its value is made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from distill.engine.store import translate_os_errors
from distill.records.training import Prompt

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

    def complete(
        self,
        keys: Sequence[str],
        prompts: Sequence[Prompt],
        make: Callable[[Sequence[int]], Sequence[T]],
        *,
        batch_rows: int,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[T]:
        """Return the value of each key, of the prompt at its place; those not known are made, each batch kept at once.

        `make` gets the places of a batch, whose prompts are of like length, so that it wastes little padding.

        Raises:
            StoreError: the file cannot be written.
        """
        missing = [place for place, key in enumerate(keys) if key not in self]
        missing.sort(key=lambda place: (len(prompts[place].user), prompts[place].id))
        for start in range(0, len(missing), batch_rows):
            chosen = missing[start : start + batch_rows]
            self.append({keys[place]: value for place, value in zip(chosen, make(chosen), strict=True)})
            if on_progress is not None:
                on_progress(len(keys) - len(missing) + start + len(chosen))
        return [self[key] for key in keys]

    def append(self, values: Mapping[str, T]) -> None:
        """Keep values; those of a key that is known take its place.

        Raises:
            StoreError: the file cannot be written.
        """
        if not values:
            return
        with translate_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = _is_torn(self.path)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" if torn else "")
                for key, value in values.items():
                    file.write(json.dumps({"key": key, **asdict(value)}, ensure_ascii=False) + "\n")
        self._known.update(values)


def _is_torn(path: Path) -> bool:
    """Tell whether the last line has no end: of a file that grows with every batch only the last byte is read."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


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
