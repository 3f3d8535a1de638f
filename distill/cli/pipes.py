"""A reader that leaves early, as in `distill run ... | head`, must not change what a command does or how it ends.

Without this, click and rich would each end the command at the first write that fails, with exit code 1 and no word.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Outlet(io.FileIO):
    """A file descriptor to write to. Once nobody reads it any more, what is written goes nowhere."""

    def write(self, data: ReadableBuffer, /) -> int | None:
        """Write, or throw away."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def outlive_readers() -> None:
    """Let stdout and stderr of this process go nowhere once their reader has left; terminals stay as they are."""
    sys.stdout, sys.stderr = _outlive(sys.stdout), _outlive(sys.stderr)


def _outlive(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or stream.isatty():  # None where the descriptor is closed
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Outlet(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
