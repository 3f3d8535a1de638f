"""What `doctor` checks: each finding says what is so and what to do about it. Keys are named, never shown."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from distill.errors import DistillError

MIN_FREE_GIB = 5
MIN_MEMORY_GIB = 4
KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN")
EXTRAS = {"torch": "train", "transformers": "train", "peft": "train", "starlette": "serve", "sklearn": "serve"}


class Finding(NamedTuple):
    """One thing that was checked."""

    subject: str
    status: Literal["ok", "warn", "fail"]
    message: str


def diagnose(config: Path | None, state_dir: Path) -> list[Finding]:
    """Check the machine, and the config when one is given. Imports no torch; sends nothing."""
    findings = [_check_python(), *_check_packages(), _check_gpu(), _check_memory(), _check_disk(state_dir)]
    findings += [_check_key(name) for name in KEY_VARIABLES]
    if config is not None:
        findings.append(_check_config(config))
    return findings


def _check_python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036 the doctor says it in words
        return Finding("python", "fail", f"{version}; 3.11 or newer is needed")
    return Finding("python", "ok", version)


def _check_packages() -> list[Finding]:
    findings: list[Finding] = []
    for module, extra in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            findings.append(Finding(module, "warn", f"not installed; pip install 'distill[{extra}]'"))
        else:
            name = "scikit-learn" if module == "sklearn" else module
            findings.append(Finding(module, "ok", importlib.metadata.version(name)))
    return findings


def _check_gpu() -> Finding:
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        return Finding("gpu", "ok", "an NVIDIA device is there")
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return Finding("gpu", "ok", "Apple silicon")
    return Finding("gpu", "warn", "none; encoders up to ~100M parameters and tiny LMs train well without one")


def _check_memory() -> Finding:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    status = "ok" if pages >= MIN_MEMORY_GIB else "warn"
    return Finding("memory", status, f"{pages:.0f} GiB, {os.cpu_count()} cores")


def _check_disk(state_dir: Path) -> Finding:
    place = next(path for path in (state_dir.absolute(), *state_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free / 2**30
    if not os.access(place, os.W_OK):
        return Finding("disk", "fail", f"{place} cannot be written; choose another --state-dir")
    status = "ok" if free >= MIN_FREE_GIB else "warn"
    return Finding("disk", status, f"{free:.0f} GiB free at {place}")


def _check_key(name: str) -> Finding:
    value = os.environ.get(name, "")
    if not value:
        return Finding(name, "warn", "not set; needed only for that provider")
    if value != value.strip():
        return Finding(name, "warn", "set, but with white space around it; set it again without")
    return Finding(name, "ok", "set (not shown)")


def _check_config(path: Path) -> Finding:
    from distill.config import load_config  # noqa: PLC0415 the machine's checks must work without it

    try:
        load_config(path, (), os.environ)
    except DistillError as error:
        return Finding(str(path), "fail", str(error))
    return Finding(str(path), "ok", "valid")
