"""What a run buys when something changed, counted at the server: the rows that are new, and nothing else."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_project import Project, make_project, point_at, teacher_of_small

from distill.teachers.rehearsal.process import rehearsal_process

pytestmark = pytest.mark.slow
ROWS = 40
Bought = Callable[..., Counter[str]]


def make_small(directory: Path, url: str) -> Project:
    """Return a project of `ROWS` rows with a held-out file of its own, so that new rows move no other."""
    project = make_project(directory)
    lines = (directory / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    (directory / "rows.jsonl").write_text("\n".join(lines[:ROWS]) + "\n", encoding="utf-8")
    (directory / "held.jsonl").write_text("\n".join(lines[-40:]) + "\n", encoding="utf-8")
    (directory / "more.jsonl").write_text("\n".join(lines[ROWS:60]) + "\n", encoding="utf-8")
    project.config["data"] |= {"heldout": {"source": "held.jsonl"}}
    point_at(project, url)
    return project


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    known = make_project(tmp_path / "known").directory / "rows.jsonl"
    with rehearsal_process(teacher_of_small(), [known]) as url:
        yield url


@pytest.fixture
def bought(served: str) -> Bought:
    """Run a project up to the filter; return what the server was asked since the last time, by prompt."""
    before: Counter[str] = Counter()

    def run(project: Project, *flags: str) -> Counter[str]:
        code, _, err = project.call("run", "small.yaml", "--until", "filter", *flags)
        assert code == 0, err
        with urllib.request.urlopen(served.removesuffix("/v1") + "/debug/counters") as reply:
            now = Counter(json.load(reply)["asked"])
        new = now - before
        before.update(new)
        return new

    return run


def test_a_row_more_buys_one_answer(tmp_path: Path, served: str, bought: Bought) -> None:
    project = make_small(tmp_path / "a", served)
    assert bought(project).total() == ROWS
    with (project.directory / "rows.jsonl").open("a", encoding="utf-8") as rows:
        rows.write((project.directory / "more.jsonl").read_text(encoding="utf-8").splitlines()[0] + "\n")
    assert bought(project).total() == 1


def test_a_changed_row_buys_only_itself(tmp_path: Path, served: str, bought: Bought) -> None:
    project = make_small(tmp_path / "a", served)
    before = bought(project)
    path = project.directory / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[7]["text"] = "The zebra crossing in front of your shop is flooded"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    new = bought(project)
    assert (new.total(), new.keys() & before.keys()) == (1, set())


def test_changed_filters_and_students_buy_nothing(tmp_path: Path, served: str, bought: Bought) -> None:
    project = make_small(tmp_path / "a", served)
    bought(project)
    assert bought(project, "--set", "filters=[parseable]", "--set", "student.epochs=9").total() == 0


def test_a_changed_prompt_buys_every_row_anew(tmp_path: Path, served: str, bought: Bought) -> None:
    project = make_small(tmp_path / "a", served)
    bought(project)
    assert bought(project, "--set", "task.system=Say one of {{ labels | join(' ') }}").total() == ROWS


def test_two_runs_with_one_journal_pay_for_a_row_once(tmp_path: Path, served: str, bought: Bought) -> None:
    first, second = make_small(tmp_path / "a", served), make_small(tmp_path / "b", served)
    (second.directory / "rows.jsonl").write_text(
        (first.directory / "rows.jsonl").read_text(encoding="utf-8")
        + (first.directory / "more.jsonl").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    for project in (first, second):
        project.config["runtime"] |= {"journal": f"sqlite:///{tmp_path / 'shared.db'}"}
        project.write()
    assert (bought(first).total(), bought(second).total()) == (ROWS, 20)
