"""Rows on their way: added at the end, read once from the front. In memory, or in a file as Arrow writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa


class Spool(Protocol):
    """Rows of one schema, in the order in which they came."""

    def append(self, table: pa.Table) -> None:
        """Add rows at the end."""
        ...

    def read(self) -> Iterator[pa.Table]:
        """Read all rows, table after table; nothing is added after that."""
        ...


class MemorySpool:
    """Rows that are held."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []

    def append(self, table: pa.Table) -> None:
        self._tables.append(table)

    def read(self) -> Iterator[pa.Table]:
        return iter(self._tables)


class DiskSpool:
    """Rows in a file of its own, compressed; what was there before is overwritten."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: Any = pa.OSFile(str(path), "wb")
        self._writer: Any = pa.ipc.new_stream(
            self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        )

    def append(self, table: pa.Table) -> None:
        """Add rows at the end.

        Raises:
            OSError: the disk refuses.
        """
        self._writer.write_table(table)

    def read(self) -> Iterator[pa.Table]:
        self._writer.close()
        self._file.close()
        with pa.OSFile(str(self._path)) as file:
            reader: Any = pa.ipc.open_stream(file)
            yield reader.schema.empty_table()
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def remove(self) -> None:
        """Delete the file: its rows have been read."""
        self._path.unlink(missing_ok=True)
