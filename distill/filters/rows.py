"""Candidate rows on their way through the chain: a table whose columns become Python lists once, for all filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Rows:
    """A table of the CANDIDATES schema (or those of its columns that a filter names)."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._lists: dict[str, list[Any]] = {}

    @property
    def num_rows(self) -> int:
        """Rows."""
        return self.table.num_rows

    def values(self, column: str) -> list[Any]:
        """Return a column as Python values; the list is shared, so do not change it."""
        if column not in self._lists:
            self._lists[column] = cast("list[Any]", self.table.column(column).to_pylist())
        return self._lists[column]

    def pick(self, column: str, places: NDArray[np.int64]) -> list[Any]:
        """Return some rows' values of a column, without reading the others."""
        if len(places) == self.num_rows:
            return self.values(column)
        known = self._lists.get(column)
        if known is not None:
            return [known[place] for place in places.tolist()]
        return cast("list[Any]", self.table.column(column).take(pa.array(places)).to_pylist())

    def strings(self, column: str) -> list[str]:
        """Return a column of text; a null is an empty text."""
        return [value or "" for value in self.values(column)]

    def keep(self, mask: Sequence[bool]) -> Rows:
        """Return the rows whose mask is True."""
        if all(mask):
            return self
        kept = Rows(self.table.filter(pa.array(mask, pa.bool_())))
        kept._lists = {name: list(compress(values, mask)) for name, values in self._lists.items()}
        return kept

    def edit(self, changes: Mapping[int, Mapping[str, str | None]]) -> Rows:
        """Return the rows with some cells replaced: row number -> column -> value."""
        table = self.table
        for name in sorted({column for cells in changes.values() for column in cells} & set(table.column_names)):
            values = list(self.values(name))
            for row, cells in changes.items():
                if name in cells:
                    values[row] = cells[name]
            place = table.column_names.index(name)
            field = table.schema.field(place)
            table = table.set_column(place, field, pa.array(values, field.type))
        return self if table is self.table else Rows(table)
