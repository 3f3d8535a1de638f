"""A sweep on the real pipeline: shared stages are made once, the comparison names every run, a repeat does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_project import make_project

SHARED = ("ingest", "split", "generate", "filter")


@pytest.mark.slow
def test_a_sweep_makes_shared_stages_once_and_ends_in_one_comparison(tmp_path: Path):
    project = make_project(tmp_path / "project")
    arguments = ("sweep", "small.yaml", "--set", "student.epochs=1,2", "--set", "student.seed=7", "--json")
    code, out, err = project.call(*arguments)
    assert code in (3, 4, 7), err
    first, second = json.loads(out)["points"]
    assert [first["set"], second["set"]] == [
        ["student.epochs=1", "student.seed=7"],
        ["student.epochs=2", "student.seed=7"],
    ]
    assert {stage: second["stages"][stage] for stage in SHARED} == dict.fromkeys(SHARED, "cached")
    assert second["stages"]["train"] == "ran"
    page = Path(json.loads(out)["comparison"])
    assert all(point["run"] in page.read_text(encoding="utf-8") for point in (first, second))
    assert len(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["runs"]) == 2

    code_again, out_again, err = project.call(*arguments)
    assert (code_again, [point["run"] for point in json.loads(out_again)["points"]]) == (
        code,
        [first["run"], second["run"]],
    ), err
    assert {status for point in json.loads(out_again)["points"] for status in point["stages"].values()} == {"cached"}

    code, out, err = project.call("sweep", "small.yaml", "--set", "student.epochs=1,2,x")
    assert code == 2, err
    assert "--set student.epochs" in err


@pytest.mark.slow
def test_a_sweep_until_train_compares_on_validation_and_spends_no_look(tmp_path: Path):
    project = make_project(tmp_path / "project")
    arguments = ("sweep", "small.yaml", "--set", "student.epochs=1,2", "--set", "student.seed=7", "--until", "train")
    code, out, err = project.call(*arguments)
    assert code == 0, err
    assert "student.seed" not in out, "what all points share only pushes aside what tells them apart"
    _, again, _ = project.call(*arguments, "--json")
    points = json.loads(again)["points"]
    for point in points:
        assert f"{point['validation']['loss_per_row']:.4g}" in out
        assert set(point["stages"].values()) == {"cached"}
        assert "evaluate" not in point["stages"]
    assert len({point["run"] for point in points}) == len(list((project.directory / "runs" / "small").glob("2*"))) == 2


@pytest.mark.slow
def test_a_point_that_fails_does_not_stop_the_others(tmp_path: Path):
    project = make_project(tmp_path / "project")
    values = "data.source=nowhere.jsonl,rows.jsonl"
    code, out, err = project.call("sweep", "small.yaml", "--set", values, "--until", "filter", "--json")
    failed, done = json.loads(out)["points"]
    assert "nowhere.jsonl" in failed["error"], err
    assert (done["verdict"], done["stages"]["filter"], code) == (None, "ran", 0)
