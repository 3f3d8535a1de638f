"""Rejected answers sent back to a real server with faults: rows rescued, calls counted, nothing bought twice."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_project import Project, make_project, point_at, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process

ROWS = 110
FIRST_ARE_BAD = "truncated=0.2,refusal=0.2,first=1,seed=5"
"""What befalls the first answer to a prompt; the second is good."""
COMMAND = ("run", "small.yaml", "--until", "filter")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "project")
    made.config["regenerate"] = {"max_attempts": 2}
    made.config["teacher"]["smoke"] = {"min_accepted": 0}
    return made


@contextmanager
def serving(project: Project, faults: str = FIRST_ARE_BAD) -> Iterator[str]:
    with rehearsal_process(teacher_of_small(), [project.directory / "rows.jsonl"], faults=faults) as url:
        point_at(project, url)
        yield url.removesuffix("/v1")


def asked(url: str) -> int:
    with urllib.request.urlopen(url + "/debug/counters") as reply:
        return sum(json.load(reply)["asked"].values())


def told(project: Project) -> dict[str, int]:
    (path,) = project.directory.glob(".distill/artifacts/filter/*/regenerate.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_rows_are_rescued_calls_are_counted_and_nothing_is_bought_twice(project: Project):
    with serving(project) as url:
        code, _, err = project.call(*COMMAND)
        assert code == 0, err
        found = told(project)
        assert 25 < found["asked_rows"] == found["rescued"] == found["answers"] < 65
        assert asked(url) == ROWS + found["answers"]
        kept = project.table("filter", "kept")
        shutil.rmtree(project.directory / ".distill/artifacts/filter")
        assert project.call(*COMMAND)[0] == 0
        assert asked(url) == ROWS + found["answers"]
        assert project.table("filter", "kept") == kept
        assert told(project)["spent_usd"] == 0
        code, _, err = project.call(*COMMAND, "--set", "filters=[parseable, finished, not_refusal, empty]")
        assert (code, asked(url)) == (0, ROWS + found["answers"]), err


def test_the_budget_stops_it_between_two_questions_and_more_budget_goes_on(project: Project):
    with serving(project) as url:
        assert project.call("run", "small.yaml", "--until", "generate")[0] == 0
        _, out, _ = project.call("plan", "small.yaml", "--set", "teacher.budget_usd=5", "--json")
        spent = json.loads(out)["budget"]["spent_usd"]
        code, _, err = project.call(*COMMAND, "--budget", str(spent + 0.004))
        assert code == 5, err
        assert ROWS < asked(url) < ROWS + 40
        assert project.call(*COMMAND, "--budget", "5")[0] == 0
        assert asked(url) == ROWS + told(project)["answers"]


def test_a_batch_teacher_is_asked_again_by_batch(project: Project):
    project.config["teacher"]["mode"] = "batch"
    with serving(project) as url:
        code, _, err = project.call(*COMMAND)
        assert code == 0, err
        assert asked(url) == ROWS + told(project)["answers"]
        with urllib.request.urlopen(url + "/debug/counters") as reply:
            assert json.load(reply)["batches"] >= 2


@pytest.mark.slow
def test_the_whole_road_shows_what_it_brought_and_cost(project: Project):
    with serving(project):
        code, out, err = project.call("run", "small.yaml")
        assert code in (0, 3, 4, 7), out + err  # the held-out answers have the same faults, and stay as they are
    page = project.directory / "runs/small/latest/report.html"
    found = told(project)
    text = page.read_text(encoding="utf-8")
    assert f"{found['asked_rows']} rejected rows were sent back" in text
    assert f"{found['rescued']} were kept" in text
