"""Experiment trackers that a training reports to, by the callbacks of transformers: TensorBoard, MLflow, W&B."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from distill.errors import ConfigError, Problem

_MODULES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}


def check_trackers(names: Sequence[str]) -> list[str]:
    """Return `names`, each of which can report from here.

    Raises:
        ConfigError: the name is unknown, or its package is not installed.
    """
    problems = [Problem("", "runtime.tracking", reason) for name in names if (reason := _fault(name)) is not None]
    if problems:
        raise ConfigError(problems)
    return list(names)


def _fault(name: str) -> str | None:
    if name not in _MODULES:
        return f"unknown tracker {name!r}; known: {', '.join(sorted(_MODULES))}"
    if importlib.util.find_spec(_MODULES[name]) is None:
        return f"{name} is not installed; run: pip install 'distill[{name}]'"
    return None
