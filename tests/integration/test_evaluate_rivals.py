"""A cheaper model as a rival on the sealed set, end to end: asked over HTTP, paid once, shown and usable in a rule."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from small_project import make_project, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process


@pytest.mark.slow
def test_a_rival_is_asked_on_the_sealed_set_and_judged_by_a_rule(tmp_path: Path):
    project = make_project(tmp_path / "project")
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"]) as url:
        rival = {"name": "cheap", "model": "tickets-recorded-answers", "base_url": url,
                 "input_usd": 0.1, "output_usd": 0.4}  # fmt: skip
        project.config["evaluate"] = {"baselines": ["majority"], "models": [rival]}
        project.config["gate"]["rules"].append(
            {"metric": "accuracy", "versus": "cheap", "margin": 0.05, "policy": "warn"}
        )
        project.write()
        code, _, err = project.call("run", "small.yaml")
    assert code in (0, 3, 4, 7), err
    latest = project.directory / "runs/small/latest"
    rows = [row for row in pq.read_table(latest / "predictions.parquet").to_pylist() if row["system"] == "cheap"]
    assert len(rows) == 40
    assert sum(row["correct"] for row in rows) == 40  # it knows every answer
    assert all(row["cost_usd"] > 0 for row in rows)
    scores = json.loads((latest / "scores.json").read_text())
    assert scores["systems"]["cheap"]["accuracy"]["value"] == 1.0
