"""Which files a source names, what their content hashes to, and what to say when there is none."""

from __future__ import annotations

import difflib
import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from distill.errors import DataError

HUB_PREFIX = "hf:"
_GLOB_SIGNS = "*?["


def is_hub(source: str) -> bool:
    """Say whether `source` names a hub dataset rather than files."""
    return source.startswith(HUB_PREFIX)


def find_files(source: str, base_dir: Path) -> list[Path]:
    """Return the files of `source`, sorted by path; a relative one starts at `base_dir`.

    Raises:
        DataError: there is none; the message names the nearest name that exists.
    """
    pattern = base_dir / Path(source).expanduser()
    if pattern.is_file():
        return [pattern]
    if any(sign in source for sign in _GLOB_SIGNS):
        found = sorted(path for name in glob.glob(str(pattern), recursive=True) if (path := Path(name)).is_file())  # noqa: PTH207  (Path.glob takes no absolute pattern)
        if found:
            return found
        raise DataError(f"{source}: no file matches (looked in {_show(_existing_parent(pattern), base_dir)})")
    if pattern.is_dir():
        raise DataError(f"{source}: is a directory; name a file, or a pattern such as {source.rstrip('/')}/*.jsonl")
    raise DataError(f"{source}: no such file{_suggest(pattern, base_dir)}")


def digest_files(paths: Sequence[Path]) -> str:
    """Return the sha256 (64 hex digits) of the files' contents, in order.

    Raises:
        DataError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise DataError(f"{path.name}: cannot be read: {error.strerror}") from error
    return whole.hexdigest()


def name_in_messages(path: Path, base_dir: Path) -> str:
    """Name a file relative to the config's directory, so that the name is the same on every machine."""
    return Path(os.path.relpath(path, base_dir)).as_posix()


def _suggest(path: Path, base_dir: Path) -> str:
    parent = _existing_parent(path)
    shown = _show(parent, base_dir)
    if parent != path.parent:
        return f" (there is no {path.relative_to(parent).parts[0]!r} in {shown})"
    names = sorted(entry.name for entry in parent.iterdir())
    nearest = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    if nearest:
        return f" (did you mean {nearest[0]!r} in {shown}?)"
    return f" (in {shown} there is: {', '.join(names[:8]) or 'nothing'})"


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def _show(path: Path, base_dir: Path) -> str:
    name = name_in_messages(path, base_dir)
    return "the config's directory" if name == "." else name
