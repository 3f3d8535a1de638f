"""Reading and writing tables so that equal rows give equal bytes, and rows never get lost half-way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from distill.errors import StoreError

ROW_GROUP_ROWS = 65_536


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table; the same rows and schema give the same bytes with the same pyarrow.

    Raises:
        OSError: the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.combine_chunks(), path, compression="zstd", row_group_size=ROW_GROUP_ROWS, version="2.6")


def write_rows(rows: Sequence[Mapping[str, object]], schema: pa.Schema, path: Path) -> None:
    """Write rows under a schema; a missing key becomes null.

    Raises:
        StoreError: a value does not fit its column.
        OSError: the disk refuses.
    """
    try:
        table = pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StoreError(f"{path}: a value does not fit its column: {error}") from error
    write_table(table, path)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        StoreError: there is no readable table.
    """
    try:
        return pq.read_table(path, columns=list(columns) if columns is not None else None)
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such table; run again to make it") from error
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path}: damaged table ({error}); delete its artifact and run again") from error
