"""What a table of runs shows: one row per run, from the files of its directory only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from distill.app.runs import Run, list_runs, list_teachers

QUALITY = ("accuracy", "exact_match", "field_f1", "token_f1")


def summarise_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """Return a row per run, newest first."""
    return [summarise(run) for run in reversed(list_runs(runs_dir))]


def summarise(run: Run) -> dict[str, Any]:
    """Return when, teacher, student, quality, verdict and cost of a run; what it does not have is None."""
    config = cast("Mapping[str, Any]", run.facts["config"])
    scores = _read(run.directory / "scores.json")
    metric, student, teacher = _quality(scores.get("systems", {}))
    if metric == "accuracy" and scores.get("reference") == "teacher":
        metric = "agreement"
    spent = [stage["cost_usd"] for stage in cast("list[dict[str, Any]]", run.facts["stages"])]
    return {
        "run": run.id,
        "name": run.facts["name"],
        "teacher": " + ".join(teacher["model"] for teacher in list_teachers(run)),
        "student": _base_name(config["student"]["base"]),
        "metric": metric,
        "student_score": student,
        "teacher_score": teacher,
        "verdict": run.facts["verdict"],
        "cost_usd": None if any(value is None for value in spent) else round(sum(spent), 6),
    }


def find_judged_system(decision: Mapping[str, Any]) -> str:
    """Return which system a gate.json speaks of: `cascade` when a rule that blocks is about it, else `student`."""
    judged = {rule.get("of", "student") for rule in decision.get("rules", ()) if rule.get("policy") != "warn"}
    return "cascade" if "cascade" in judged else "student"


def _quality(scores: Mapping[str, Any]) -> tuple[str | None, float | None, float | None]:
    for metric in QUALITY:
        if metric in scores.get("student", {}):
            teacher = scores.get("teacher", {}).get(metric, {})
            return metric, scores["student"][metric]["value"], teacher.get("value")
    return None, None, None


def _base_name(base: object) -> str:
    return base.rsplit("/", 1)[-1] if isinstance(base, str) else "tiny"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
