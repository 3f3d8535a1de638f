"""What `distill init` writes runs at once, in rehearsal, for no money and without a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill.app.scaffold import TEMPLATES


def _call(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run([sys.executable, "-m", "distill", *arguments], cwd=directory, text=True, capture_output=True,
                          timeout=280, env=environment | {"OMP_NUM_THREADS": "1"})  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_rehearses_to_a_verdict(template, tmp_path):
    assert _call(tmp_path, "init", "task", "--from", template).returncode == 0
    ran = _call(tmp_path / "task", "rehearse", "distill.yaml", "--json", "--set", "student.epochs=1")
    assert ran.returncode in (0, 3, 4, 7), ran.stderr
    run = json.loads(ran.stdout)
    assert ("this proves the road" in ran.stderr) == isinstance(run["config"]["student"]["base"], dict)
    assert run["verdict"] in ("promote", "hold", "inconclusive", "invalid")
    assert sum(stage["cost_usd"] or 0 for stage in run["stages"]) < 0.01  # training has a rate
    assert (tmp_path / "task" / "runs" / "task-rehearsal" / "latest" / "report.html").is_file()


def test_a_template_plans_and_init_says_what_to_do_next(tmp_path):
    made = _call(tmp_path, "init", "task", "--from", "extract")
    assert "distill rehearse task/distill.yaml" in made.stdout
    planned = _call(tmp_path, "plan", "task/distill.yaml", "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["calls"] == 160
    again = _call(tmp_path, "init", "task", "--from", "extract")
    assert again.returncode == 2
    assert "already holds" in again.stderr
