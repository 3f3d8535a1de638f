"""What the filter stage is started with: folders of its inputs, output and work under one, progress told to nobody."""

from __future__ import annotations

from pathlib import Path

from distill.engine.stage import Context
from distill.records.runtime import RuntimeConfig
from distill.stages.surroundings import Surroundings
from distill.teachers.config import TeacherConfig


def make_filter_context(
    folder: Path, teacher: TeacherConfig, runtime: RuntimeConfig, budget_usd: float | None = None, purse: str = ""
) -> Context:
    return Context(
        key="k" * 64,
        inputs={name: folder / name for name in ("split", "generate")},
        output_dir=folder / "output",
        work_dir=folder / "work",
        state_dir=folder,
        runtime=Surroundings(runtime, folder, (teacher,), budget_usd=budget_usd, purse=purse),
        progress=lambda done, total, note="": None,
    )
