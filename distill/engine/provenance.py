"""Where a run comes from: versions, commit, machine. Facts only; nothing here takes part in identity."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

PACKAGES = ("distill", "torch", "transformers", "peft", "datasets", "accelerate", "openai", "numpy", "scipy", "pyarrow")


@cache
def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that shape results."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@cache
def read_commit(directory: Path) -> str | None:
    """Return the git commit of a directory, with `+dirty` when tracked files differ; None outside git."""
    try:
        head = _git(directory, "rev-parse", "HEAD")
        dirty = _git(directory, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+dirty" if dirty else head


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603 fixed command
    return done.stdout.strip()


def read_machine() -> dict[str, str | int]:
    """Describe the machine: system, processor, cores. No host name."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count() or 0}


@cache
def digest_versions() -> str:
    """Return the sha256 of the installed packages' names and versions: the environment's own lock."""
    lines = sorted({f"{item.name}=={item.version}" for item in importlib.metadata.distributions()})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
