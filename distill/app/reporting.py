"""The pages people open: a run's own report, and several runs side by side. Numbers come from the runs' files only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from distill.app.runs import Run
from distill.app.summary import find_judged_system, summarise
from distill.engine.parquet import read_table
from distill.engine.store import Store, translate_os_errors
from distill.errors import UsageError
from distill.records.json import Json
from distill.reports import RunSummary, add_live, comparison_csv, render_comparison, runs_table

PAGE_SUFFIXES = (".html", ".htm")


def write_report(run: Run, output: Path, live: Sequence[Mapping[str, Json]] = ()) -> Path:
    """Write a run's report to `output`, from the report artifact (checked against its hashes); return `output`.

    `live` are the live costs of versions of its student, which become a section at the end.

    Raises:
        UsageError: the run stopped before the report.
        StoreError: the artifact is gone or damaged, or the disk refuses.
    """
    if "report" not in run.keys:
        raise UsageError(f"run {run.id} stopped before the report; run its config again without --until")
    source = Store(run.state_dir).verify("report", run.keys["report"]) / "report.html"
    page = source.read_text(encoding="utf-8")
    _write(output, add_live(page, live) if live else page)
    return output


def write_comparison(runs: Sequence[Run], output: Path) -> Path:
    """Write runs side by side to `output`, the same rows as .csv and .json beside it; return `output`.

    Raises:
        UsageError: `output` does not name an HTML page.
        StoreError: a run's predictions cannot be read, or the disk refuses.
    """
    if output.suffix not in PAGE_SUFFIXES:
        raise UsageError(f"-o {output}: name the page (.html); .csv and .json are written beside it")
    summaries = [summarise_for_comparison(run) for run in runs]
    _write(output, render_comparison(summaries))
    _write(output.with_suffix(".csv"), comparison_csv(summaries))
    rows = json.dumps({"runs": runs_table(summaries)}, indent=1, ensure_ascii=False)
    _write(output.with_suffix(".json"), f"{rows}\n")
    return output


def summarise_for_comparison(run: Run) -> RunSummary:
    """Return what a comparison shows of a run: the system that its gate judged; what a run does not have is None.

    Raises:
        StoreError: the predictions cannot be read.
    """
    line = summarise(run)
    system = find_judged_system(_read(run.directory / "gate.json"))
    scores = cast("Mapping[str, Mapping[str, Any]]", _read(run.directory / "scores.json").get("systems", {}))
    judged = scores.get(system, {})
    costs = _read(run.directory / "costs.json")
    base = str(line["student"])
    answers = _read_answers(run.directory / "predictions.parquet", system)
    return RunSummary(
        name=str(line["name"]),
        id=run.id,
        created=str(run.facts.get("finished", "")),
        teacher=str(line["teacher"]),
        student=f"{base} with fallback" if system == "cascade" else base,
        decision=str(line["verdict"] or "unfinished"),
        quality=_value(judged, line["metric"]),
        quality_low=_value(judged, line["metric"], "low"),
        quality_high=_value(judged, line["metric"], "high"),
        per_1k_usd=(costs.get(system) or {}).get("per_1k_usd"),
        p95_ms=_value(judged, "p95_latency_ms"),
        usd=line["cost_usd"],
        config=cast("Mapping[str, Json]", run.facts["config"]),
        correct=None if answers is None else {key: bool(row["correct"]) for key, row in answers.items()},
        latencies_ms=None if answers is None else _timed(answers),
    )


def _value(metrics: Mapping[str, Any], metric: str | None, field: str = "value") -> float | None:
    return None if metric is None or metric not in metrics else metrics[metric].get(field)


def _read_answers(path: Path, system: str) -> dict[str, dict[str, Any]] | None:
    """Return id -> the system's first answer; None where nothing was evaluated."""
    if not path.is_file():
        return None
    columns = ["id", "system", "repeat", "correct", "latency_ms"]
    rows = cast("list[dict[str, Any]]", read_table(path, columns).to_pylist())
    return {row["id"]: row for row in rows if row["system"] == system and row["repeat"] == 0} or None


def _timed(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {key: float(row["latency_ms"]) for key, row in answers.items() if row["latency_ms"] is not None}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write(path: Path, text: str) -> None:
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
