"""Lines of a plain or gzipped text file, within limits that a hostile or broken file cannot pass."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from distill.errors import DataError

MAX_LINE_BYTES = 64 * 2**20
MAX_UNPACKED_BYTES = 64 * 2**30
MAX_RATIO = 1000
_RATIO_FREE_BYTES = 256 * 2**20
_BOM = b"\xef\xbb\xbf"
_FOREIGN_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


class Line(NamedTuple):
    """One line without its end, and its number from 1; `text` is None when `problem` says why."""

    number: int
    text: str | None
    problem: str = ""


def read_lines(path: Path, name: str) -> Iterator[Line]:
    """Yield the lines that are not blank; one that is too long or not UTF-8 comes as a problem.

    Raises:
        DataError: the file cannot be read, is not UTF-8 at all, or unpacks beyond the limits.
    """
    for number, raw in enumerate(_raw_lines(path, name), start=1):
        if len(raw) > MAX_LINE_BYTES:
            yield Line(number, None, f"the line is longer than {MAX_LINE_BYTES} bytes")
            continue
        try:
            text = raw.decode("utf-8").strip("\r\n")
        except UnicodeDecodeError as error:
            yield Line(number, None, f"not UTF-8: {error.reason} at byte {error.start} of the line")
            continue
        if text.strip():
            yield Line(number, text)


def read_text_lines(path: Path, name: str) -> Iterator[str]:
    """Yield lines with their ends, for the csv module; bytes that are not UTF-8 become lone surrogates.

    Raises:
        DataError: as `read_lines`, or a line is too long.
    """
    for number, raw in enumerate(_raw_lines(path, name), start=1):
        if len(raw) > MAX_LINE_BYTES:
            raise DataError(f"{name}:{number}: the line is longer than {MAX_LINE_BYTES} bytes")
        yield raw.decode("utf-8", "surrogateescape")


def _raw_lines(path: Path, name: str) -> Iterator[bytes]:
    packed = path.suffix == ".gz"
    try:
        limit = max(_RATIO_FREE_BYTES, min(MAX_UNPACKED_BYTES, path.stat().st_size * MAX_RATIO))
        with cast("IO[bytes]", gzip.open(path) if packed else path.open("rb")) as stream:
            yield from _bounded(stream, name, limit if packed else None)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{name}: the gzip data is damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error


def _bounded(stream: IO[bytes], name: str, limit: int | None) -> Iterator[bytes]:
    total, first = 0, True
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        if first:
            _refuse_foreign(raw, name)
            raw = raw.removeprefix(_BOM)
            first = False
        total += len(raw)
        if limit is not None and total > limit:
            raise DataError(f"{name}: unpacks to more than {limit} bytes; unpack it yourself if that is meant")
        yield raw
        while len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            raw = stream.readline(MAX_LINE_BYTES + 1)
            total += len(raw)
            if not raw or len(raw) <= MAX_LINE_BYTES:
                break


def _refuse_foreign(head: bytes, name: str) -> None:
    for mark, encoding in _FOREIGN_BOMS.items():
        if head.startswith(mark):
            raise DataError(f"{name}: the file is {encoding}; save it as UTF-8")
