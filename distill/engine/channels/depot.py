"""Students beside their channel: where a target's files are, on this disk or under a URL.

At the state directory itself a target is an artifact's path. At a shared directory or URL the files are copied to
`students/<digest>`, named by their content, the list of files last; a reader checks every hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from distill.engine.channels.channels import is_url
from distill.engine.channels.remote import open_filesystem
from distill.engine.store import digest_file, list_files
from distill.errors import StoreError

FILES = "files.json"


def hash_files(directory: Path) -> dict[str, str]:
    """Return file name -> sha256 of everything under a directory, but for a depot's own list."""
    paths = [path for path in list_files(directory) if path != directory / FILES]
    return {path.relative_to(directory).as_posix(): digest_file(path) for path in paths}


class Depot:
    """The files of one place's targets. `state_dir` is where this machine keeps its own, and its copies."""

    def __init__(self, place: Path | str, state_dir: Path) -> None:
        """Bind a place (a path or a URL) and this machine's state directory."""
        self._remote = is_url(place)
        self._place = str(place) if self._remote else str(place).removeprefix("file://")
        self._state_dir = state_dir

    def publish(self, directory: Path) -> str:
        """Make a student's files reachable at the place and return its target; what is there already is not sent.

        Raises:
            StoreError: the place cannot be written.
        """
        if not self._remote and Path(self._place).resolve() == self._state_dir.resolve():
            return str(directory.relative_to(self._state_dir))
        files = hash_files(directory)
        target = f"students/{hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:32]}"
        listing = json.dumps(files, sort_keys=True, indent=1).encode()
        if self._remote:
            self._upload(directory, target, files, listing)
        else:
            _copy(directory, Path(self._place) / target, files, listing)
        return target

    def fetch(self, target: str) -> Path:
        """Return a target's directory on this disk, downloading it once.

        Raises:
            StoreError: it is not there, or a file differs from its hash.
        """
        if not self._remote:
            return Path(self._place) / target
        directory = self._state_dir / target
        if (directory / FILES).is_file():
            return directory
        fs, root = open_filesystem(self._place)
        try:
            listing = cast("bytes", fs.cat_file(f"{root}/{target}/{FILES}"))
            scratch = directory.with_name(f".{directory.name}.{os.getpid()}")
            shutil.rmtree(scratch, ignore_errors=True)
            for name, digest in cast("dict[str, str]", json.loads(listing)).items():
                path = scratch / name
                path.parent.mkdir(parents=True, exist_ok=True)
                fs.get_file(f"{root}/{target}/{name}", str(path))
                _check_hash(path, digest, f"{self._place}/{target}/{name}")
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._place}/{target}: cannot be fetched ({error})") from error
        (scratch / FILES).write_bytes(listing)
        directory.parent.mkdir(parents=True, exist_ok=True)
        if not directory.exists():
            scratch.rename(directory)
        return directory

    def _upload(self, directory: Path, target: str, files: Mapping[str, str], listing: bytes) -> None:
        fs, root = open_filesystem(self._place)
        try:
            if fs.exists(f"{root}/{target}/{FILES}"):
                return
            for name in files:
                remote = f"{root}/{target}/{name}"
                fs.makedirs(remote.rsplit("/", 1)[0], exist_ok=True)
                fs.put_file(str(directory / name), remote)
            fs.pipe_file(f"{root}/{target}/{FILES}", listing)
        except OSError as error:
            raise StoreError(f"{self._place}/{target}: cannot be written ({error})") from error


def _check_hash(path: Path, digest: str, shown: str) -> None:
    if digest_file(path) != digest:
        raise StoreError(f"{shown}: differs from its hash; promote again")


def _copy(directory: Path, goal: Path, files: Mapping[str, str], listing: bytes) -> None:
    if (goal / FILES).is_file():
        return
    scratch = goal.with_name(f".{goal.name}.{os.getpid()}")
    for name in files:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / name, scratch / name)
    (scratch / FILES).write_bytes(listing)
    if not goal.exists():
        scratch.rename(goal)
