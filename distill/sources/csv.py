"""CSV and TSV with a header line. Every value is text; an empty field is an empty text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from distill.errors import DataError
from distill.sources.lines import MAX_LINE_BYTES, read_text_lines
from distill.sources.row import Row

_OTHER_SEPARATOR = re.compile(r"\w[\w .-]*(?:([;|\t])\w[\w .-]*)(?:\1\w[\w .-]*)*")


class _Reader(Protocol):
    """What `csv.reader` returns."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def read_csv(path: Path, name: str) -> Iterator[Row]:
    """Yield one row a record (which may span lines); `where` is the record's first line.

    Raises:
        DataError: the file cannot be read, or its header is missing or names a column twice.
    """
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    previous_limit = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        reader = csv.reader(read_text_lines(path, name), delimiter=delimiter, strict=True)
        header = _read_header(reader, name)
        yield from _read_records(reader, header, name)
    finally:
        csv.field_size_limit(previous_limit)


def _read_header(reader: Iterator[list[str]], name: str) -> list[str]:
    try:
        header = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"{name}:1: the header cannot be read: {error}") from error
    if not any(header):
        raise DataError(f"{name}: the file is empty; expected a header line with column names")
    if len(header) == 1 and (other := _OTHER_SEPARATOR.fullmatch(header[0])):
        raise DataError(
            f"{name}:1: a single column {header[0]!r}: fields seem to be separated by {other[1]!r}; "
            "write a .csv with commas or a .tsv with tabs"
        )
    for column in header:
        if not _is_text(column) or not column:
            raise DataError(f"{name}:1: the header has an empty or unreadable column name")
        if header.count(column) > 1:
            raise DataError(f"{name}:1: the header names column {column!r} twice")
    return header


def _read_records(reader: _Reader, header: list[str], name: str) -> Iterator[Row]:
    while True:
        where = f"{name}:{reader.line_num + 1}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(where, None, f"not CSV: {error}")
            continue
        if not fields:
            continue
        if len(fields) != len(header):
            yield Row(where, None, f"{len(fields)} fields where the header has {len(header)}")
        elif not all(_is_text(value) for value in fields):
            yield Row(where, None, "not UTF-8")
        else:
            yield Row(where, dict(zip(header, fields, strict=True)))


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
