"""Where a channel's lines are kept: a file on a file system, or one object a line under a URL."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from distill.engine.store import translate_os_errors


class Lines(NamedTuple):
    """A history as it is kept. `torn`: a half-written last line, no entry, was passed over."""

    whole: list[str]
    torn: bool = False
    size: int = 0  # bytes up to the last newline


class LineStore(Protocol):
    """Append-only histories by channel name."""

    def names(self) -> list[str]:
        """List the channels that have a history, sorted."""
        ...

    def where(self, name: str) -> str:
        """Say where a history is, for messages."""
        ...

    def read(self, name: str) -> Lines:
        """Return a history's lines; none for a new channel."""
        ...

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Hold the one right to append, where the place can give it."""
        ...

    def append(self, name: str, line: str, present: Lines) -> bool:
        """Add a line after those present, durably; False when another writer was first."""
        ...


class FileLines:
    """`<root>/channels/<name>.jsonl`: one line an entry, under a lock. The newline is the commit mark."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "channels"

    def names(self) -> list[str]:
        """List the channels that have a history, sorted."""
        return sorted(path.stem for path in self.directory.glob("*.jsonl"))

    def where(self, name: str) -> str:
        """Say where a history is, for messages."""
        return str(self._path(name))

    def read(self, name: str) -> Lines:
        """Return a history's lines; none for a new channel."""
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            return Lines([])
        size = data.rfind(b"\n") + 1
        whole = data[:size].decode("utf-8", "replace").split("\n")[:-1]
        return Lines(whole, torn=size < len(data), size=size)

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold the channel's lock file."""
        path = self._path(name)
        with translate_os_errors(path):
            self.directory.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    def append(self, name: str, line: str, present: Lines) -> bool:
        """Add a line after those present and sync it; a half-written one is cut off first."""
        path = self._path(name)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            if present.torn:
                os.ftruncate(descriptor, present.size)
            os.lseek(descriptor, present.size, os.SEEK_SET)
            data = f"{line}\n".encode()
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            parent = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)
        return True

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.jsonl"
