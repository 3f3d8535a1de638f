"""From rows to examples: ids, gold, slices, groups, times. Gold and recorded answers never stay among the columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from distill.records.example import Example
from distill.records.json import Json, dump_canonical
from distill.sources.config import DataConfig

ID_HEX_DIGITS = 24
_MILLISECONDS_FROM = 1e11
_LATEST_S = 4e9


class Recorded(NamedTuple):
    """A row's values with the answer that came with them (chat logs), before columns are read."""

    values: Mapping[str, Json]
    answer: str | None = None


def make_example(recorded: Recorded, where: str, config: DataConfig, input_columns: Sequence[str]) -> Example:
    """Make the example of a row.

    Raises:
        ValueError: an input is missing or null, or a declared column holds what it must not.
    """
    values = recorded.values
    inputs = {column: _need(values, column) for column in input_columns}
    gold = _or_none(values.get(config.gold)) if config.gold is not None else None
    content = dump_canonical({"columns": inputs, "gold": gold})
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()
    kept_out = {config.gold, config.teacher_output} - set(input_columns)
    return Example(
        id=digest[:ID_HEX_DIGITS] if config.id is None else _read_id(_need(values, config.id), config.id),
        text="\n".join(value if isinstance(value, str) else dump_canonical(value) for value in inputs.values()),
        columns={column: value for column, value in values.items() if column not in kept_out},
        gold=gold,
        teacher_output=_read_answer(recorded, config),
        group=_read_group(values.get(config.group), config.group) if config.group is not None else None,
        time=_read_time(values.get(config.time), config.time) if config.time is not None else None,
        slices=_read_slices(values, config.slices),
        content_hash=digest,
        where=where,
    )


def _need(values: Mapping[str, Json], column: str) -> Json:
    if column not in values:
        raise ValueError(f"column {column!r} is missing")
    if values[column] is None:
        raise ValueError(f"column {column!r} is null")
    return values[column]


def _or_none(value: Json) -> Json:
    return None if value == "" else value


def _read_id(value: Json, column: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column {column!r} must hold an id (text or integer), not {value!r:.40}")
    return value


def _read_answer(recorded: Recorded, config: DataConfig) -> str | None:
    if config.teacher_output is None:
        return recorded.answer
    value = _or_none(recorded.values.get(config.teacher_output))
    if value is None:
        return recorded.answer
    return value if isinstance(value, str) else dump_canonical(value)


def _read_group(value: Json, column: str) -> str | None:
    if value is None or value == "":
        return None
    return _read_word(value, column)


def _read_slices(values: Mapping[str, Json], columns: Sequence[str]) -> dict[str, str]:
    present = ((column, values.get(column)) for column in columns)
    return {column: _read_word(value, column) for column, value in present if value is not None and value != ""}


def _read_word(value: Json, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return dump_canonical(value)
    raise ValueError(f"column {column!r} must hold one word or number, not {type(value).__name__}")


def _read_time(value: Json, column: str) -> str | None:
    """Read ISO 8601 text or a Unix time (s or ms) as ISO 8601 in UTC, which sorts by time."""
    if value is None or value == "":
        return None
    try:
        moment = _to_moment(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"column {column!r}: {value!r:.60} is not a time (ISO 8601, or Unix seconds)") from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _to_moment(value: Json) -> datetime:
    if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
        return datetime.fromisoformat(value.strip())
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(type(value).__name__)  # noqa: TRY004 the caller turns it into one error about the value
    seconds = float(value)
    if seconds >= _MILLISECONDS_FROM:
        seconds /= 1000
    if not 0 <= seconds <= _LATEST_S:
        raise ValueError("out of range")
    return datetime.fromtimestamp(seconds, UTC)
