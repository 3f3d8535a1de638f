"""Runs that go wrong: one clear line, the contract's exit code, nothing lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import KEY, point_at, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process


def _one_line(err: str) -> str:
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("distill: ")]
    return line


def test_a_missing_data_file_is_a_data_error(project):
    code, _, err = project.call("run", "small.yaml", "--set", "data.source=nowhere.jsonl")
    assert code == 7, err
    assert "nowhere.jsonl" in _one_line(err)


def test_a_bad_config_is_a_usage_error_that_names_place_and_remedy(project):
    project.config["student"]["epoch"] = 3
    project.write()
    code, _, err = project.call("run", "small.yaml")
    assert code == 2, err
    assert "small.yaml:" in err
    assert "did you mean" in err
    assert "Traceback" not in err


def test_a_teacher_on_a_dead_port_is_named_and_what_was_done_is_kept(project):
    point_at(project, "http://127.0.0.1:9/v1")
    code, _, err = project.call("run", "small.yaml", "--until", "filter")
    assert code == 6, err
    assert "127.0.0.1:9" in _one_line(err)
    assert (project.directory / ".distill/artifacts/split").is_dir()


def test_ctrl_c_exits_130_and_the_next_run_goes_on(project):
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"], latency_ms=3000) as url:
        point_at(project, url)
        child = project.start("run", "small.yaml", "--until", "generate")
        assert child.stderr is not None
        for line in child.stderr:
            if "generate: started" in line:
                break
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert (project.directory / ".distill/artifacts/split").is_dir()


def test_the_budget_stops_the_run_and_more_budget_lets_it_go_on(project):
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--budget", "0.02")
    assert code == 5, err
    assert "budget" in _one_line(err)
    bought = project.answers_bought()
    assert 0 < bought < 110
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--budget", "0.02")
    assert code == 5, err
    assert project.answers_bought() <= bought + 3  # the budget is the run's, not each try's; a shorter row may fit
    code, out, err = project.call("plan", "small.yaml", "--set", "teacher.budget_usd=5", "--json")
    assert 0 < json.loads(out)["budget"]["spent_usd"] <= 0.02, err
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--budget", "5")
    assert code == 0, err


def test_the_held_out_answers_draw_on_the_same_budget(project):
    assert project.call("run", "small.yaml", "--until", "filter", "--budget", "5")[0] == 0
    _, out, _ = project.call("plan", "small.yaml", "--set", "teacher.budget_usd=5", "--json")
    spent = json.loads(out)["budget"]["spent_usd"]
    code, _, err = project.call("run", "small.yaml", "--budget", str(spent + 1e-6))
    assert code == 5, err
    code, _, err = project.call("run", "small.yaml", "--budget", "5")
    assert code in (0, 3, 4, 7), err  # a verdict, whichever: this student is far too small to answer


def test_a_key_that_the_server_echoes_is_written_nowhere(project):
    files = [project.directory / "rows.jsonl"]
    with rehearsal_process(teacher_of_small(), files, faults="key_echo=0.3,401=0.1,seed=3") as url:
        point_at(project, url)
        _, out, err = project.call("run", "small.yaml", "--until", "filter")
    assert KEY not in out + err
    written = [path for path in project.directory.rglob("*") if path.is_file()]
    assert any(path.name == "journal.db" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    words = [mount or "mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if mount is None or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_what_was_done_before_is_used_after(project, full_disk):
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--state-dir", str(full_disk))
    assert code == 1, err
    assert "space" in _one_line(err)
    finished = {path.parent.parent.name for path in full_disk.glob("artifacts/*/*/record.json")}
    assert "ingest" in finished
    moved = project.directory / "roomier"
    shutil.copytree(full_disk, moved)
    code, _, err = project.call("run", "small.yaml", "--until", "filter", "--state-dir", str(moved))
    assert code == 0, err
    assert "ingest: cached" in err


@pytest.mark.slow
def test_ctrl_c_while_training_is_resumable(project):
    project.config["student"]["epochs"] = 500
    project.write()
    child = project.start("run", "small.yaml")
    assert child.stderr is not None
    for line in child.stderr:
        if "train:" in line and "loss" in line:
            break
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert (project.directory / ".distill/artifacts/filter").is_dir()
    assert not (project.directory / ".distill/artifacts/train").is_dir()
