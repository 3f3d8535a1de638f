"""Identity of configs: a canonical form for plain values, its sha256, and the difference between two of them.

A value without a stable form (a path, a set, a function, NaN) is refused, never guessed at.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import cast

from pydantic import BaseModel

from distill.errors import UnstableValueError

Plain = object
"""What `canonicalise` returns: None, bool, int, float, str, list and dict with str keys, nothing else."""

ABSENT = "(absent)"


def canonicalise(value: object, path: str = "config") -> Plain:
    """Return `value` as plain JSON data with one form per meaning.

    Args:
        value: pydantic models, dataclasses, mappings with str keys, sequences, enums, dates, and scalars.
        path: where the value sits; used in errors.

    Raises:
        UnstableValueError: something in `value` has no stable form; the message says where and what to use.
    """
    if isinstance(value, Enum):
        return canonicalise(value.value, path)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _canonicalise_float(value, path)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {name: canonicalise(getattr(value, name), f"{path}.{name}") for name in sorted(fields)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = sorted(field.name for field in dataclasses.fields(value))
        return {name: canonicalise(getattr(value, name), f"{path}.{name}") for name in names}
    if isinstance(value, Mapping):
        return _canonicalise_mapping(cast("Mapping[object, object]", value), path)
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return [canonicalise(item, f"{path}[{index}]") for index, item in enumerate(items)]
    raise UnstableValueError(f"{path}: {type(value).__name__} has no stable form; {_advise(value)}")


def _canonicalise_float(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise UnstableValueError(f"{path}: {value!r} has no stable form; use a finite number or null")
    return 0.0 if value == 0 else value


def _canonicalise_mapping(value: Mapping[object, object], path: str) -> dict[str, Plain]:
    plain: dict[str, Plain] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise UnstableValueError(f"{path}: key {key!r} is not a string; use string keys")
        plain[key] = canonicalise(item, f"{path}.{key}")
    return dict(sorted(plain.items()))


def _advise(value: object) -> str:
    if isinstance(value, set | frozenset):
        return "use a sorted list"
    if isinstance(value, bytes):
        return "use its sha256 as text"
    if callable(value):
        return "use a registered name and version"
    if hasattr(value, "__fspath__"):
        return "paths belong to the runtime; use the digest of the file's content"
    return "use plain values, dataclasses or pydantic models"


def fingerprint(value: object) -> str:
    """Return the sha256 (64 hex digits) of the canonical form of `value`.

    Raises:
        UnstableValueError: something in `value` has no stable form.
    """
    text = json.dumps(canonicalise(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def diff(old: Plain, new: Plain, path: str = "") -> list[str]:
    """Name every leaf that differs between two canonical values, as `path: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("dict[str, Plain]", old), cast("dict[str, Plain]", new)
        lines: list[str] = []
        for key in sorted(before.keys() | after.keys()):
            lines += diff(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}" if path else key)
        return lines
    if isinstance(old, list) and isinstance(new, list):
        left, right = cast("list[Plain]", old), cast("list[Plain]", new)
        lines = []
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else ABSENT
            two = right[index] if index < len(right) else ABSENT
            lines += diff(one, two, f"{path}[{index}]")
        return lines
    if type(old) is type(new) and old == new:
        return []
    return [f"{path}: {_show(old)} -> {_show(new)}"]


def _show(value: Plain, limit: int = 60) -> str:
    text = value if value == ABSENT else json.dumps(value, ensure_ascii=False)
    return str(text) if len(str(text)) <= limit else f"{str(text)[: limit - 1]}…"
