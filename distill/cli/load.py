"""Loading a config for a command: file, then DISTILL_* variables, then flags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill.config import LoadedConfig


def load(config: Path, overrides: Sequence[str], runs_dir: Path, state_dir: Path) -> LoadedConfig:
    """Load and validate a config file.

    Raises:
        ConfigError: with every problem found.
    """
    from distill.config import load_config

    loaded = load_config(config, overrides, os.environ)
    runtime = loaded.runtime.model_copy(update={"runs_dir": runs_dir.absolute(), "state_dir": state_dir.absolute()})
    return loaded.with_runtime(runtime)
