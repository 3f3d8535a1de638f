"""A finished run for notebooks: its tables as Arrow, its decisions as the JSON objects of its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from distill.app.runs import Run, resolve_run
from distill.engine.parquet import read_table
from distill.errors import UsageError


@dataclass(frozen=True, slots=True)
class RunResults:
    """One run. Files are read when asked for; `.to_pandas()` on a table gives a data frame."""

    run: Run

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run.id

    @property
    def facts(self) -> Mapping[str, object]:
        """run.json's object: config, stages, verdict, versions, machine."""
        return self.run.facts

    @property
    def predictions(self) -> pa.Table:
        """One row per held-out example, system and repeat (`distill schema --tables`: predictions)."""
        return read_table(self._find("predictions.parquet"))

    @property
    def gate(self) -> dict[str, Any]:
        """gate.json's object: the decision and its rules."""
        return self._read("gate.json")

    @property
    def scores(self) -> dict[str, Any]:
        """scores.json's object: metric per system, whole and by slice."""
        return self._read("scores.json")

    @property
    def costs(self) -> dict[str, Any]:
        """costs.json's object."""
        return self._read("costs.json")

    def table(self, stage: str, name: str) -> pa.Table:
        """Return a table of a stage's artifact, e.g. `table("filter", "rejected")`.

        Raises:
            UsageError: the run has no such stage, or the stage no such table.
        """
        directory = self.run.artifact(stage)
        path = next(iter(sorted(directory.rglob(f"{name}.parquet"))), None)
        if path is None:
            known = ", ".join(sorted(found.stem for found in directory.rglob("*.parquet"))) or "none"
            raise UsageError(f"stage {stage!r} of run {self.id} has no table {name!r}; it has: {known}")
        return read_table(path)

    def _read(self, name: str) -> dict[str, Any]:
        return json.loads(self._find(name).read_text(encoding="utf-8"))

    def _find(self, name: str) -> Path:
        path = self.run.directory / name
        if not path.is_file():
            raise UsageError(f"run {self.id} has no {name}: it stopped before; run its config again without --until")
        return path


def open_results(run: str, runs_dir: Path) -> RunResults:
    """Return a run's results; `run` is a run directory, an id, a unique prefix of one, or CONFIG@latest.

    Raises:
        UsageError: none or several match.
    """
    return RunResults(resolve_run(run, runs_dir))
