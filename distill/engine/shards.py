"""A table cut into shards, each small enough to be held: in memory, or as Parquet files that other processes can read.

Rows are only ever taken out or changed in place, so the order of what is left never changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from distill.engine.parquet import cut_tables

SHARD_ROWS = 16_384
Mask = NDArray[np.bool_]


class Shards(Protocol):
    """Rows in order, cut into shards."""

    @property
    def num_rows(self) -> int:
        """Rows that are left."""
        ...

    def __len__(self) -> int:
        """Shards, the empty ones too; there is always one."""
        ...

    def read(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read what is left of a shard, or some of its columns."""
        ...

    def keep(self, number: int, mask: Mask) -> None:
        """Take out of a shard the rows whose mask is False."""
        ...

    def replace(self, number: int, table: pa.Table) -> None:
        """Put changed rows in a shard's place, as many as are left of it."""
        ...


def read_all(shards: Shards, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read shard after shard."""
    return (shards.read(number, columns) for number in range(len(shards)))


class MemoryShards:
    """Shards of a table that is held anyway."""

    def __init__(self, table: pa.Table, shard_rows: int = SHARD_ROWS) -> None:
        self._schema = table.schema
        self._tables = [table.slice(start, shard_rows) for start in range(0, max(1, table.num_rows), shard_rows)]

    @property
    def num_rows(self) -> int:
        """Rows that are left."""
        return sum(table.num_rows for table in self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def read(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        table = self._tables[number]
        return table if columns is None else table.select(list(columns))

    def keep(self, number: int, mask: Mask) -> None:
        self._tables[number] = self._tables[number].filter(pa.array(mask))

    def replace(self, number: int, table: pa.Table) -> None:
        self._tables[number] = table

    def to_table(self) -> pa.Table:
        """Return what is left as one table."""
        return pa.concat_tables([self._schema.empty_table(), *self._tables])


class Part(NamedTuple):
    """A file of a shard, and which of its rows are left (None: all); `read_part` reads it in any process."""

    path: Path
    rows: int
    mask: Mask | None = None


class DiskShards:
    """Shards in Parquet files under a folder of their own; only one at a time is in memory."""

    def __init__(self, folder: Path, schema: pa.Schema, shard_rows: int = SHARD_ROWS) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._schema, self._shard_rows = folder, schema, shard_rows
        self._parts: list[Part] = []
        self._files = 0

    @property
    def num_rows(self) -> int:
        """Rows that are left."""
        return sum(part.rows for part in self._parts)

    @property
    def parts(self) -> list[Part]:
        """The files, for other processes to read."""
        return list(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def extend(self, tables: Iterable[pa.Table]) -> None:
        """Add rows at the end, cut into shards; without any row there is one empty shard.

        Raises:
            OSError: the disk refuses.
        """
        for table in cut_tables(tables, self._shard_rows):
            self._parts.append(Part(self._write(table), table.num_rows))
        if not self._parts:
            self._parts.append(Part(self._write(self._schema.empty_table()), 0))

    def read(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        return read_part(self._parts[number], self._schema, columns)

    def keep(self, number: int, mask: Mask) -> None:
        path, _, before = self._parts[number]
        if before is not None:
            left = before.copy()
            left[left] = mask
            mask = left
        self._parts[number] = Part(path, int(mask.sum()), mask)

    def replace(self, number: int, table: pa.Table) -> None:
        """Write a new file: a process that reads the old one at this moment is not disturbed."""
        self._parts[number] = Part(self._write(table), table.num_rows)

    def _write(self, table: pa.Table) -> Path:
        path = self._folder / f"{self._files:06}.parquet"
        self._files += 1
        pq.write_table(table, path, compression="lz4", version="2.6", write_statistics=False)
        return path


def read_part(part: Part, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read what is left of a shard, exactly as it was written: under `schema`, in this thread alone."""
    with pq.ParquetFile(part.path) as file:
        table: Any = file.read(None if columns is None else list(columns), use_threads=False)
    fields = [schema.field(name) for name in table.column_names]
    table = pa.Table.from_arrays(table.columns, schema=pa.schema(fields, schema.metadata))
    return table if part.mask is None else table.filter(pa.array(part.mask))
