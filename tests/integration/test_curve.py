"""`distill curve` on real rows: five nested trainings, one answer, found again the second time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_curve_is_measured_once_and_lies_beside_the_run(tmp_path: Path, repo_root: Path):
    def distill(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "distill", *map(str, arguments), "--set", "student.epochs=1"]
        command += ["--set", "student.kind=classifier", "--set", "student.max_length_tokens=256"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))

    config = repo_root / "configs" / "tiny.yaml"
    assert distill("run", config, "--until", "filter").returncode == 0
    first = distill("curve", config, "--json")
    assert first.returncode == 0, first.stderr
    body = json.loads(first.stdout)
    assert len(body["points"]) == 5
    assert [p["rows"] for p in body["points"]] == sorted(p["rows"] for p in body["points"])
    assert all(p["low"] <= p["accuracy"] <= p["high"] for p in body["points"])
    assert body["forecast"] is not None or body["reason"].startswith("no forecast: ")
    beside = next((tmp_path / "runs" / "tiny").glob("*/curve.json"))
    assert json.loads(beside.read_text()) == body
    again = distill("curve", config, "--json")
    assert json.loads(again.stdout) == body
    assert "curve: cached" in again.stderr
