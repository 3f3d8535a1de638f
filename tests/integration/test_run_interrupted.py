"""Ctrl-C and SIGTERM at any moment of a run: an exit code of its own, no traceback, the next run finishes the same."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_project import Project, point_at, results_of, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
VERDICTS = (0, 3, 4, 7)
LONGEST_S = {"generate": 0.8, "train": 5.0, "evaluate": 0.8}


def _await_charge(child: subprocess.Popen[str]) -> None:
    """Wait until the process takes SIGTERM itself: what comes before is Python's own start."""
    bit = 1 << (signal.SIGTERM - 1)
    status = Path(f"/proc/{child.pid}/status")
    while child.poll() is None and not int(status.read_text().split("SigCgt:")[1].split()[0], 16) & bit:
        time.sleep(0.001)


def _read_until(child: subprocess.Popen[str], words: str) -> str:
    assert child.stderr is not None
    said = ""
    for line in child.stderr:
        said += line
        if words in line:
            break
    return said


def _signal(child: subprocess.Popen[str], number: signal.Signals, said: str = "") -> tuple[int, str, str]:
    child.send_signal(number)
    out, err = child.communicate(timeout=120)
    return child.returncode, out, said + err


def _assert_quiet(err: str) -> None:
    for word in ("Traceback", "Exception ignored", "never retrieved", "never awaited", "Warning"):
        assert word not in err, err


@pytest.mark.parametrize("number", CODES)
def test_a_signal_in_the_first_moments_ends_the_run_with_its_code(project: Project, number: signal.Signals):
    rng = random.Random(int(number))
    for _ in range(6):
        child = project.start("run", "small.yaml", "--until", "ingest", "--from", "ingest")
        _await_charge(child)
        time.sleep(rng.uniform(0, 0.3))
        code, _, err = _signal(child, number)
        assert code == CODES[number], err
        _assert_quiet(err)
    code, _, err = project.call("run", "small.yaml", "--until", "split")
    assert code == 0, err


def test_ctrl_c_ends_a_whole_sweep_and_not_only_one_of_its_runs(project: Project):
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"], latency_ms=3000) as url:
        point_at(project, url)
        child = project.start("sweep", "small.yaml", "--set", "student.epochs=1,2", "--until", "filter")
        said = _read_until(child, "generate: started")
        time.sleep(1)  # within the stage, whose error the sweep must not take for one of this run alone
        code, _, err = _signal(child, signal.SIGINT, said)
    assert code == 130, err
    assert "[2/2]" not in err
    _assert_quiet(err)


def test_sigterm_while_buying_lets_calls_in_flight_land_and_keeps_them(project: Project):
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"], latency_ms=400) as url:
        point_at(project, url)
        child = project.start("run", "small.yaml", "--until", "generate")
        said = _read_until(child, "generate: started")
        while not (stats := json.loads(project.call("journal", "stats", "small.yaml", "--json")[1]))["answered"]:
            pass
        code, _, err = _signal(child, signal.SIGTERM, said)
        assert code == 143, err
        assert project.answers_bought() > stats["answered"]
    _assert_quiet(err)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_signals_in_every_stage_change_no_table_and_no_weight(finished: Project, project: Project):
    rng = random.Random(3)
    for stage in ("ingest", "split", "generate", "generate", "filter", "train", "train", "evaluate", "gate", "report"):
        number = rng.choice([*CODES])
        child = project.start("run", "small.yaml")
        said = _read_until(child, f"{stage}: started")
        time.sleep(rng.uniform(0, LONGEST_S.get(stage, 0.2)))
        code, out, err = _signal(child, number, said)
        assert code == CODES[number] or (code in VERDICTS and "report " in out), (stage, err)
        _assert_quiet(err)
    code, _, err = project.call("run", "small.yaml")
    assert code in VERDICTS, err
    assert results_of(project) == results_of(finished)


@pytest.mark.slow
def test_ctrl_c_in_the_last_moments_is_130_or_the_verdict_that_was_printed(finished: Project, tmp_path: Path):
    project, rng = Project(tmp_path / "copy"), random.Random(4)
    shutil.copytree(finished.directory, project.directory, symlinks=True)
    for _ in range(8):
        child = project.start("run", "small.yaml", "--from", "report")
        said = _read_until(child, "report: started")
        time.sleep(rng.uniform(0, 1.5))
        code, out, err = _signal(child, signal.SIGINT, said)
        assert code == 130 or (code in VERDICTS and "student " in out), err
        _assert_quiet(err)
    assert project.call("run", "small.yaml")[0] in VERDICTS
    assert results_of(project) == results_of(finished)
