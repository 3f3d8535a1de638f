"""Artifacts on disk: `<root>/artifacts/<stage>/<key>/`, whole if and only if `record.json` is in it.

A stage writes under `<root>/scratch/<stage>/<key>/`; publishing hashes the files, writes the record last and
renames. Nothing else ever writes into an artifact.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from distill.errors import StoreError

RECORD = "record.json"
RECORD_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where a stage works: `output_dir` starts empty, `work_dir` is what an earlier attempt left."""

    output_dir: Path
    work_dir: Path


class Store:
    """The artifacts under one root directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[Path] = set()

    def directory(self, stage: str, key: str) -> Path:
        """Return where the artifact is, or would be."""
        return self.root / "artifacts" / stage / key

    def is_whole(self, stage: str, key: str) -> bool:
        """Tell whether the artifact is there, complete."""
        return (self.directory(stage, key) / RECORD).is_file()

    def record(self, stage: str, key: str) -> dict[str, object] | None:
        """Read an artifact's record, or None when there is no whole artifact.

        Raises:
            StoreError: the record is not readable JSON.
        """
        path = self.directory(stage, key) / RECORD
        try:
            return cast("dict[str, object]", json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{path}: damaged record ({error}); delete its directory and run again") from error

    @contextmanager
    def claim(self, stage: str, key: str) -> Generator[Scratch]:
        """Hold the one right to make an artifact (other processes wait), and give a place to make it in.

        Raises:
            StoreError: the place cannot be written.
        """
        place = self.root / "scratch" / stage / key
        output_dir, work_dir = place / "output", place / "work"
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock_path = place.with_suffix(".lock")
            with lock_path.open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                shutil.rmtree(output_dir, ignore_errors=True)
                output_dir.mkdir(parents=True)
                work_dir.mkdir(parents=True, exist_ok=True)
                yield Scratch(output_dir, work_dir)

    def publish(self, stage: str, key: str, record: Mapping[str, object]) -> Path:
        """Make what was written under the claim's `output_dir` the artifact, record last; return its directory.

        Raises:
            StoreError: the disk refuses.
        """
        place = self.root / "scratch" / stage / key
        target = self.directory(stage, key)
        with translate_os_errors(target):
            output_dir = place / "output"
            files = {str(path.relative_to(output_dir)): digest_file(path) for path in list_files(output_dir)}
            for name in files:
                _sync(output_dir / name)
            full = {"schema": RECORD_SCHEMA, "stage": stage, "key": key, "files": files, **record}
            record_path = output_dir / RECORD
            record_path.write_text(json.dumps(full, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
            _sync(record_path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                shutil.rmtree(target)
            output_dir.rename(target)
            _sync(target.parent)
            shutil.rmtree(place, ignore_errors=True)
        return target

    def verify(self, stage: str, key: str) -> Path:
        """Check an artifact's files against its record (once per process) and return its directory.

        Raises:
            StoreError: a file is missing, changed or added.
        """
        directory = self.directory(stage, key)
        if directory in self._verified:
            return directory
        record = self.record(stage, key)
        if record is None:
            raise StoreError(f"{directory}: no whole artifact here; run again to make it")
        expected = cast("dict[str, str]", record["files"])
        present = {str(path.relative_to(directory)) for path in list_files(directory)} - {RECORD}
        wrong = sorted(present ^ expected.keys())
        wrong += [name for name in sorted(present & expected.keys()) if digest_file(directory / name) != expected[name]]
        if wrong:
            raise StoreError(f"{directory}: damaged ({', '.join(wrong[:5])}); delete that directory and run again")
        self._verified.add(directory)
        return directory

    def forget(self, stage: str, key: str) -> None:
        """Remove an artifact, so that it is made anew."""
        directory = self.directory(stage, key)
        self._verified.discard(directory)
        if directory.exists():
            (directory / RECORD).unlink(missing_ok=True)
            shutil.rmtree(directory, ignore_errors=True)


def list_files(directory: Path) -> list[Path]:
    """List the regular files under a directory, sorted by path."""
    return sorted(path for path in directory.rglob("*") if path.is_file())


def digest_file(path: Path) -> str:
    """Return the sha256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def translate_os_errors(place: Path) -> Generator[None]:
    """Turn the operating system's refusals into one clear line.

    Raises:
        StoreError: in place of the OSError.
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        advice = {
            errno.ENOSPC: "no space left on the disk; free some and run again, nothing finished is lost",
            errno.EDQUOT: "disk quota reached; free some space and run again, nothing finished is lost",
            errno.EACCES: "permission denied; check who owns the directory",
            errno.EROFS: "the file system is read-only; choose another --state-dir",
        }.get(error.errno or 0)
        if advice is None:
            raise
        raise StoreError(f"{error.filename or place}: {advice}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
