"""Carrying out a composition: forecast it, run it, and leave a run directory behind."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import structlog

from distill.app.composition import Composition
from distill.app.runs import Run, latest_run, make_run_id, write_run
from distill.config import PipelineConfig, dump
from distill.engine.logging import configure_logging
from distill.engine.provenance import read_commit, read_machine, read_versions
from distill.engine.runner import Forecast, Listener, StageResult, forecast, run_plan
from distill.engine.stage import Plan
from distill.engine.store import Store, translate_os_errors
from distill.records.decision import EXIT_CODES, DecisionWord
from distill.stages.card import restate_terms

RUN_FILES = {
    "report.html": ("report", "report.html"),
    "costs.json": ("report", "costs.json"),
    "gate.json": ("gate", "gate.json"),
    "scores.json": ("gate", "scores.json"),
    "predictions.parquet": ("evaluate", "predictions.parquet"),
}
"""File of a run directory -> (stage, file of its artifact)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: its directory, what each stage did, and the verdict where the gate was reached."""

    run: Run
    results: tuple[StageResult, ...]
    verdict: DecisionWord | None

    @property
    def exit_code(self) -> int:
        """The exit code the contract gives to the verdict."""
        return 0 if self.verdict is None else EXIT_CODES[self.verdict]


def forecast_run(composition: Composition, rerun_from: str | None = None) -> list[Forecast]:
    """Say what a run would do; nothing runs.

    Raises:
        UsageError: `rerun_from` is no stage.
    """
    previous = latest_run(composition.runtime.runs_dir, composition.config.name)
    keys = previous.keys if previous else {}
    return forecast(composition.plan, Store(composition.runtime.state_dir), keys, rerun_from)


def execute(
    composition: Composition, listener: Listener, *, until: str | None = None, rerun_from: str | None = None
) -> Outcome:
    """Run a composition. When nothing is stale and the last run is the same, nothing is written.

    Raises:
        DistillError: whatever a stage raises; finished stages are kept.
    """
    runtime = composition.runtime
    plan = composition.plan.until(until)
    store = Store(runtime.state_dir)
    previous = latest_run(runtime.runs_dir, composition.config.name)
    run_id = make_run_id(datetime.now(UTC), plan.keys)
    with translate_os_errors(runtime.state_dir):
        log_file = runtime.state_dir / "logs" / f"{run_id}.jsonl"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        configure_logging(runtime.log_level, log_file)
        with structlog.contextvars.bound_contextvars(run=run_id):
            results = run_plan(
                plan,
                store,
                composition.surroundings,
                listener=listener,
                previous=previous.keys if previous else {},
                rerun_from=rerun_from,
                seeds={"student": composition.config.student.seed, "data": composition.config.data.seed},
            )
        unchanged = previous is not None and previous.keys == plan.keys
        if previous is not None and unchanged and all(result.status == "cached" for result in results):
            log_file.unlink(missing_ok=True)
            return Outcome(previous, tuple(results), cast("DecisionWord | None", previous.facts["verdict"]))
        run = _leave_run(composition, plan, store, run_id, results)
        shutil.copyfile(log_file, run.directory / "log.jsonl")
    return Outcome(run, tuple(results), cast("DecisionWord | None", run.facts["verdict"]))


def _leave_run(composition: Composition, plan: Plan, store: Store, run_id: str, results: list[StageResult]) -> Run:
    def artifact(stage: str) -> Path | None:
        return store.directory(stage, plan.keys[stage]) if stage in plan.keys else None

    files: dict[str, Path] = {}
    for name, (stage, file_name) in RUN_FILES.items():
        directory = artifact(stage)
        if directory is not None:
            files[name] = directory / file_name
    evaluated = artifact("evaluate") or artifact("train")
    runs_dir = composition.runtime.runs_dir
    directory = runs_dir / composition.config.name / run_id
    facts: dict[str, object] = {
        "config": dump(composition.config),
        "verdict": _read_verdict(files.get("gate.json")),
        "state_dir": _relative(composition.runtime.state_dir, directory),
        "versions": read_versions(),
        "commit": read_commit(Path.cwd()),
        "machine": read_machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    links = {} if evaluated is None else {"student": evaluated / "student"}
    restated = {} if evaluated is None else _restate(evaluated / "student", composition.config)
    return write_run(runs_dir, composition.config.name, run_id, facts, results, files, links, restated)


def _restate(student: Path, config: PipelineConfig) -> dict[str, str]:
    """Return the student's card where it has the teachers' terms otherwise than the config that was run."""
    path = student / "README.md"
    if not path.is_file():
        return {}
    card = path.read_text(encoding="utf-8")
    now = restate_terms(card, config.panel)
    return {} if now == card else {path.name: now}


def _read_verdict(path: Path | None) -> str | None:
    if path is None or not path.is_file():
        return None
    return str(json.loads(path.read_text(encoding="utf-8"))["decision"])


def _relative(target: Path, start: Path) -> str:
    """Return the path from `start` to `target`, so that a moved project keeps its runs."""
    return os.path.relpath(target, start)
