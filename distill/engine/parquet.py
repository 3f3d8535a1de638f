"""Reading and writing tables so that equal rows give equal bytes, and rows never get lost half-way."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from distill.errors import StoreError

ROW_GROUP_ROWS = 65_536
BATCH_ROWS = 16_384


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table; the same rows and schema give the same bytes with the same pyarrow.

    Raises:
        OSError: the disk refuses.
    """
    write_tables([table], table.schema, path)


def write_tables(tables: Iterable[pa.Table], schema: pa.Schema, path: Path) -> None:
    """Write tables beneath each other, one row group in memory at a time; where one ends decides nothing.

    Raises:
        OSError: the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", version="2.6") as writer:
        groups = 0
        for group in cut_tables(tables, ROW_GROUP_ROWS):
            writer.write_table(group)
            groups += 1
        if not groups:
            writer.write_table(schema.empty_table())


def cut_tables(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Cut tables, as if they were one, into pieces of `rows` rows, each in one chunk; the last may be shorter."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        start = 0
        while start < table.num_rows:
            piece = table.slice(start, rows - count)
            waiting.append(piece)
            start, count = start + piece.num_rows, count + piece.num_rows
            if count == rows:
                yield pa.concat_tables(waiting).combine_chunks()
                waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


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
    with _explain(path):
        return pq.read_table(path, columns=list(columns) if columns is not None else None)


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read columns of a table from front to back, never more than a row group's worth at once.

    Raises:
        StoreError: there is no readable table.
    """
    with _explain(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
            yield pa.Table.from_batches([batch]).select(list(columns))


@contextmanager
def _explain(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such table; run again to make it") from error
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path}: damaged table ({error}); delete its artifact and run again") from error
