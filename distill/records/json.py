"""The JSON type, the one canonical way to write it, and the one strict way to read it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, cast

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"

MAX_DEPTH = 100
MAX_INT_DIGITS = 300


def dump_canonical(value: Json) -> str:
    """Write `value` so that equal values give equal text: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` holds something that is not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def list_leaves(value: Json) -> list[tuple[str, str]]:
    """List (path, canonical leaf) pairs, sorted; lists by position, an integral float equals its integer."""
    found: list[tuple[str, str]] = []
    stack: list[tuple[str, Json]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, Mapping) and item:
            stack.extend((f"{path}/{key}", inner) for key, inner in item.items())
        elif isinstance(item, Sequence) and not isinstance(item, str) and item:
            stack.extend((f"{path}/{index}", inner) for index, inner in enumerate(item))
        else:
            plain = int(item) if isinstance(item, float) and item.is_integer() else item
            found.append((path, dump_canonical(plain)))
    return sorted(found)


def load_strict(text: str) -> Json:
    """Read one JSON value whose meaning is beyond doubt; what it returns, `dump_canonical` writes as UTF-8.

    Raises:
        ValueError: not JSON; or a duplicate key, NaN, an infinity, a number too large, half a surrogate
            pair, or nesting deeper than MAX_DEPTH.
    """
    try:
        value = cast("Json", _DECODER.decode(text))
        check_plain(value, text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    return value


def load_first(text: str, start: int) -> tuple[Json, int]:
    """Read the JSON value that starts at `text[start]`, as strictly; return it and the index after it.

    Raises:
        ValueError: as `load_strict`.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        check_plain(value, text[start:end])
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    return cast("Json", value), end


def check_plain(value: Json, text: str) -> None:
    """Check that `value`, read from `text`, can be written as UTF-8 and is not nested too deep.

    Raises:
        ValueError: it holds half a surrogate pair, or is nested deeper than MAX_DEPTH.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if not text.isascii() or "\\ud" in text or "\\uD" in text:
        try:
            dump_canonical(value).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("holds half a surrogate pair, which is not text") from None


def _depth(value: Json) -> int:
    depth, layer = 0, [value]
    while layer:
        depth += 1
        inner: list[Json] = []
        for item in layer:
            if isinstance(item, Mapping):
                inner.extend(item.values())
            elif isinstance(item, Sequence) and not isinstance(item, str):
                inner.extend(item)
        layer = inner
        if depth > MAX_DEPTH:
            break
    return depth


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number {text[:40]} is too large")
    return number


def _read_int(text: str) -> int:
    if len(text) > MAX_INT_DIGITS:
        raise ValueError(f"a number of {len(text)} digits is too large")
    return int(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"duplicate key {twice!r}")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_read_object, parse_constant=_refuse_constant, parse_float=_read_float, parse_int=_read_int
)
