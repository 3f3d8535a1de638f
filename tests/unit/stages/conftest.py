from __future__ import annotations

from pathlib import Path

import pytest

from distill.engine.stage import Context


@pytest.fixture
def split_context(tmp_path: Path) -> Context:
    for name in ("examples", "output", "work", "state"):
        (tmp_path / name).mkdir()
    return Context(
        key="k" * 64,
        inputs={"examples": tmp_path / "examples"},
        output_dir=tmp_path / "output",
        work_dir=tmp_path / "work",
        state_dir=tmp_path / "state",
        runtime=None,
        progress=lambda done, total, note="": None,
    )
