"""SIGKILL at any moment of any stage: the next run completes, nothing answered is bought again, no table differs."""

from __future__ import annotations

import json
import random
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import make_project, point_at, results_of, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process

STAGES = ("ingest", "split", "generate", "filter", "train", "evaluate", "gate", "report")


def _asked(url: str) -> int:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/debug/counters") as reply:
        return sum(json.load(reply)["asked"].values())


def _kill_when(child: subprocess.Popen[str], is_time: Callable[[str], bool], delay_s: float) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if is_time(line):
            time.sleep(delay_s)
            break
    child.kill()
    child.communicate()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_in_every_stage_change_no_table_and_no_weight(tmp_path: Path):
    calm, shaken, rng = make_project(tmp_path / "calm"), make_project(tmp_path / "shaken"), random.Random(5)
    with rehearsal_process(teacher_of_small(), [calm.directory / "rows.jsonl"], latency_ms=30) as url:
        point_at(shaken, url)
        point_at(calm, url)
        for stage in (*STAGES, "generate", "train"):
            longest_s = {"generate": 0.8, "train": 5.0, "evaluate": 0.8}.get(stage, 0.02)
            start = f"{stage}: started"
            _kill_when(shaken.start("run", "small.yaml"), lambda line, s=start: s in line, rng.uniform(0, longest_s))
        code, _, err = shaken.call("run", "small.yaml")
        assert code in (0, 3, 4, 7), err
        sent = _asked(url)
        assert calm.call("run", "small.yaml")[0] == code
        needed = _asked(url) - sent
    assert sent - needed <= 3 * 8  # three of the kills met calls in flight, eight at the most
    assert results_of(shaken) == results_of(calm)
    assert sum(name.endswith(".safetensors") for name in results_of(calm)) >= 2


@pytest.mark.slow
def test_kills_at_random_moments_of_buying_send_little_again(tmp_path: Path):
    kills, rng = 4, random.Random(11)
    project = make_project(tmp_path / "project")
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"], latency_ms=30) as url:
        point_at(project, url)
        for _ in range(kills):
            child = project.start("run", "small.yaml", "--until", "filter")
            time.sleep(rng.uniform(0.5, 3.0))
            child.kill()
            child.communicate()
        code, _, err = project.call("run", "small.yaml", "--until", "filter")
        assert code == 0, err
        assert _asked(url) - 110 <= kills * 8
