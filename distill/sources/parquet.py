"""Parquet. Dates become ISO text, bytes must be UTF-8, and NaN means missing, as pandas writes it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distill.errors import DataError
from distill.records.json import Json
from distill.sources.lines import MAX_RATIO
from distill.sources.row import Row

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_BATCH_ROWS = 1024
_FREE_ROWS = 2_000_000
_ROWS_PER_BYTE = 10
_FREE_BYTES = 256 * 2**20


def read_parquet(path: Path, name: str) -> Iterator[Row]:
    """Yield one row a record; `where` counts records from 1.

    Raises:
        DataError: the file cannot be read as Parquet.
    """
    import pyarrow as pa  # noqa: PLC0415  (0.2 s that `plan` and `check` on text files do not need)
    import pyarrow.parquet as pq  # noqa: PLC0415

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            _refuse_bomb(file.metadata, path.stat().st_size, name)
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for record in cast("list[dict[str, object]]", batch.to_pylist()):
                    number += 1
                    yield to_row(f"{name}:{number}", record)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: cannot be read as Parquet: {str(error)[:200]}") from error


def _refuse_bomb(metadata: pq.FileMetaData, size_bytes: int, name: str) -> None:
    """Refuse a small file that unfolds to any number of rows or bytes.

    Raises:
        DataError: it does.
    """
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if metadata.num_rows > max(_FREE_ROWS, size_bytes * _ROWS_PER_BYTE):
        raise DataError(f"{name}: {size_bytes} bytes claim to hold {metadata.num_rows} rows; that is no honest table")
    if unpacked > max(_FREE_BYTES, size_bytes * MAX_RATIO):
        raise DataError(f"{name}: unpacks from {size_bytes} to {unpacked} bytes; that is no honest table")


def to_row(where: str, record: Mapping[str, object]) -> Row:
    """Bring a record of Python values to JSON values; what has no JSON form makes it a problem."""
    values: dict[str, Json] = {}
    for column, value in record.items():
        try:
            values[column] = to_json(value)
        except (ValueError, TypeError) as error:
            return Row(where, None, f"column {column!r}: {error}")
    return Row(where, values)


def to_json(value: object) -> Json:
    """Bring one Python value of a table to a JSON value; NaN becomes None.

    Raises:
        ValueError: bytes are not UTF-8, or a number is infinite.
        TypeError: the value has no JSON form.
    """
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("holds an infinite number")
        return None if math.isnan(value) else value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (datetime, date, time_of_day)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return {str(key): to_json(item) for key, item in pairs.items()}
    if isinstance(value, Sequence):
        return [to_json(item) for item in cast("Sequence[object]", value)]
    raise TypeError(f"holds a {type(value).__name__}, which has no JSON form")
