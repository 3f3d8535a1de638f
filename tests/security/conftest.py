"""A config file that is right, for tests that make one thing in it wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from distill.config import LoadedConfig, load_config


@pytest.fixture
def write_config(tmp_path: Path, tickets: Path) -> Callable[..., Path]:
    """Write configs/tiny.yaml's content with `--set`-like changes given as dotted keyword arguments."""

    def write(changes: dict[str, Any] | None = None) -> Path:
        root = Path(__file__).resolve().parents[2]
        config = yaml.safe_load((root / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
        config["task"]["labels"] = (tickets / "labels.txt").read_text(encoding="utf-8").split()
        config["data"]["source"] = str(tickets / "heldout.jsonl")
        config["teacher"]["knowledge"] = [str(tickets / "heldout.jsonl")]
        for path, value in (changes or {}).items():
            *way, last = path.split(".")
            section = config
            for part in way:
                section = section.setdefault(part, {})
            section[last] = value
        found = tmp_path / "project" / "config.yaml"
        found.parent.mkdir(exist_ok=True)
        found.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return found

    return write


@pytest.fixture
def load(write_config: Callable[..., Path]) -> Callable[..., LoadedConfig]:
    return lambda changes=None, env=None: load_config(write_config(changes), [], env or {})
