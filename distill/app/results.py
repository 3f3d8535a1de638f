"""A finished run for notebooks: its tables as Arrow, its decisions as the JSON objects of its directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from distill.app.live_costs import read_run_live_costs
from distill.app.recost import rebuild_costs
from distill.app.runs import Run, resolve_run
from distill.costs import CascadePoint, LedgerEntry
from distill.engine.parquet import read_table
from distill.engine.runner import StageResult
from distill.errors import UsageError
from distill.records.decision import RuleOutcome

if TYPE_CHECKING:
    import pandas as pd


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

    def arrow(self, name: str) -> pa.Table:
        """Return one of the run's own tables, tidy: predictions, rules, scores, ledger, curve, stages, funnel.

        Raises:
            UsageError: there is no such table, or the run stopped before it.
        """
        if name == "predictions":
            return self.predictions
        if name not in TIDY:
            raise UsageError(f"no table {name!r}; there are: predictions, {', '.join(TIDY)}")
        rows, columns = TIDY[name]
        found = rows(self)
        return pa.Table.from_pylist(found) if found else pa.table({column: [] for column in columns})

    def frame(self, name: str) -> pd.DataFrame:
        """Return the same as a pandas data frame (pandas comes with `distill[train]`).

        Raises:
            UsageError: as `arrow`.
        """
        return self.arrow(name).to_pandas()

    def recost(self, changes: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return costs.json's object under other assumptions; what was measured stays, nothing is run or bought.

        Args:
            changes: paths in the `costs` section to values: `{"requests_per_day": 1e6, "student.usd_per_hour": 2}`.

        Raises:
            ConfigError: a path or value is wrong.
            UsageError: the run stopped before the report.
            StoreError: an artifact is damaged.
        """
        return rebuild_costs(self.run, changes or {})

    def live_costs(
        self, changes: Mapping[str, object] | None = None, *, days: float | None = None, channels: str | None = None
    ) -> list[dict[str, Any]]:
        """Return what real traffic to this run's student cost and saved, a mapping per version (docs/costs.md).

        Args:
            changes: paths in the `costs` section to values, as `recost` takes them.
            days: only requests of the last so many days.
            channels: where channels are; default: the state directory.

        Raises:
            ConfigError: a path or value is wrong.
            UsageError: there is no request log, or nothing of the run was ever served from it.
            StoreError: a channel's history is damaged.
        """
        found = read_run_live_costs(self.run, place=channels, days=days, changes=changes)
        return [dict(one.to_json()) for one in found]

    def _read(self, name: str) -> dict[str, Any]:
        return json.loads(self._find(name).read_text(encoding="utf-8"))

    def _find(self, name: str) -> Path:
        path = self.run.directory / name
        if not path.is_file():
            raise UsageError(f"run {self.id} has no {name}: it stopped before; run its config again without --until")
        return path


def _list_scores(results: RunResults) -> list[dict[str, Any]]:
    scores = results.scores
    places = {None: scores["systems"], **scores["slices"]}
    return [
        {"slice": place, "system": system, "metric": metric, **{k: score.get(k) for k in ("value", "low", "high", "n")}}
        for place, systems in places.items()
        for system, metrics in systems.items()
        for metric, score in metrics.items()
    ]


def _list_funnel(results: RunResults) -> list[dict[str, Any]]:
    path = results.run.artifact("filter") / "funnel.json"
    steps = json.loads(path.read_text(encoding="utf-8"))
    return [
        {"filter": step["filter"], "reason": reason, "rows": rows, "usd_of_the_filter": step["usd_dropped"]}
        for step in steps
        for reason, rows in (step["reasons"] or {"": 0}).items()
    ]


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


TIDY: dict[str, tuple[Callable[[RunResults], list[dict[str, Any]]], tuple[str, ...]]] = {
    "rules": (lambda results: results.gate["rules"], _names(RuleOutcome)),
    "scores": (_list_scores, ("slice", "system", "metric", "value", "low", "high", "n")),
    "ledger": (lambda results: results.costs["ledger"], _names(LedgerEntry)),
    "curve": (lambda results: results.costs["cascade_curve"], _names(CascadePoint)),
    "stages": (lambda results: cast("list[dict[str, Any]]", results.facts["stages"]), _names(StageResult)),
    "funnel": (_list_funnel, ("filter", "reason", "rows", "usd_of_the_filter")),
}
"""Name of a tidy table -> how its rows are read, and its columns where there is no row."""


def open_results(run: str, runs_dir: Path) -> RunResults:
    """Return a run's results; `run` is a run directory, an id, a unique prefix of one, or CONFIG@latest.

    Raises:
        UsageError: none or several match.
    """
    return RunResults(resolve_run(run, runs_dir))
