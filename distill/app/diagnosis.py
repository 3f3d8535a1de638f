"""What `doctor` checks: each finding says what is so and what to do about it. Keys are named, never shown."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from distill.app.findings import Finding
from distill.config import LoadedConfig, load_config
from distill.errors import DistillError

MIN_FREE_GIB = 5
MIN_MEMORY_GIB = 4
KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN")
EXTRAS = {"torch": "train", "transformers": "train", "peft": "train", "starlette": "serve", "sklearn": "serve"}


def diagnose(config: Path | None, state_dir: Path, *, offline: bool = False) -> list[Finding]:
    """Check the machine, and the config when one is given. Imports no torch, sends no example; `offline`: nothing."""
    findings = [_check_python(), *_check_packages(), _check_gpu(), _check_memory(), _check_disk(state_dir)]
    loaded, problem = _load(config)
    panel = () if loaded is None else loaded.pipeline.panel
    named = tuple(teacher.api_key_env for teacher in panel if teacher.provider == "openai")
    findings += [_check_key(name, needed=name in named) for name in dict.fromkeys((*named, *KEY_VARIABLES))]
    if config is not None:
        findings.append(Finding(str(config), "fail" if problem else "ok", problem or "valid"))
    if loaded is not None:
        findings.append(_check_overlap(loaded))
    if not offline:
        from distill.app.reachability import check_network  # noqa: PLC0415  (the teacher's client, 0.3 s)

        findings += check_network(loaded)
    return findings


def _check_overlap(loaded: LoadedConfig) -> Finding:
    from distill.app.composition import compose  # noqa: PLC0415 the machine's checks must work without it
    from distill.app.overlap import audit_overlap  # noqa: PLC0415 as above

    try:
        audit = audit_overlap(compose(loaded))
    except DistillError as error:
        return Finding("train and held-out", "fail", str(error))
    if audit is None:
        return Finding("train and held-out", "ok", "held-out rows will be drawn from the data, copies kept together")
    shared = audit.describe()
    return Finding("train and held-out", "warn" if shared else "ok", shared or "nothing is shared")


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
        return _word_nvidia(importlib.metadata.version("torch") if importlib.util.find_spec("torch") else None)
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return Finding("gpu", "ok", "Apple silicon")
    return Finding("gpu", "warn", "none; encoders up to ~100M parameters and tiny LMs train well without one")


def _word_nvidia(torch_version: str | None) -> Finding:
    if torch_version is not None and "+cpu" in torch_version:
        return Finding("gpu", "warn", f"an NVIDIA device is there, but torch {torch_version} is a CPU build: "
                                      f"install torch for CUDA (pytorch.org, Get started)")  # fmt: skip
    return Finding("gpu", "ok", "an NVIDIA device is there")


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


def _check_key(name: str, *, needed: bool) -> Finding:
    value = os.environ.get(name, "")
    if not value:
        words = "the config's teacher.api_key_env, is not set" if needed else "not set; needed only for that provider"
        return Finding(name, "warn", words)
    if value != value.strip():
        return Finding(name, "warn", "set, but with white space around it; set it again without")
    return Finding(name, "ok", "set (not shown)")


def _load(path: Path | None) -> tuple[LoadedConfig | None, str]:
    """Load a config for its checks; what is wrong with it comes back as words."""
    if path is None:
        return None, ""
    try:
        return load_config(path, (), os.environ), ""
    except DistillError as error:
        return None, str(error)
