"""A run with two teachers that differ on some rows, from the config to the report, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from small_project import Project, make_project

from distill.app.runs import resolve_run

pytestmark = pytest.mark.slow
POOL, DIFFERENT = 110, 12


def add_second_teacher(project: Project) -> set[str]:
    """Give the project a second teacher that says something else to some rows; return their ids."""
    rows = [json.loads(line) for line in (project.directory / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    labels = project.config["task"]["labels"]
    differ = {row["id"] for row in rows[:: len(rows) // DIFFERENT]}
    other = [
        row | {"intent": labels[(labels.index(row["intent"]) + 1) % len(labels)]} if row["id"] in differ else row
        for row in rows
    ]
    (project.directory / "other.jsonl").write_text("".join(json.dumps(r) + "\n" for r in other), encoding="utf-8")
    first = project.config.pop("teacher")
    second = first | {
        "model": "second-opinion",
        "knowledge": ["other.jsonl"],
        "price": {"input": 1.0, "output": 2.0},
        "terms": {"training_on_outputs": "allowed", "source": "https://second.example/terms"},
    }
    project.config["teachers"] = [first, second]
    project.config["student"] |= {"kind": "classifier", "objective": {"hard": 0.5, "soft": 0.5}}
    project.config["student"].pop("max_new_tokens", None)
    project.config["filters"] = ["parseable", "finished", "not_refusal", "teachers_agree"]
    project.write()
    return differ


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, set[str]]:
    project = make_project(tmp_path_factory.mktemp("agreed"))
    differ = add_second_teacher(project)
    code, _, err = project.call("run", "small.yaml")
    assert code in (0, 3, 4), err
    return project, differ


def rows_of(project: Project, stage: str, name: str) -> list[dict[str, Any]]:
    (path,) = (project.directory / ".distill" / "artifacts" / stage).glob(f"*/{name}.parquet")
    return pq.read_table(path).to_pylist()


def test_both_answer_what_is_trained_on_and_the_first_alone_the_held_out_set(agreed: tuple[Project, set[str]]) -> None:
    project, _ = agreed
    completions = rows_of(project, "generate", "completions")
    assert [sum(row["teacher"] == number for row in completions) for number in (0, 1)] == [POOL, POOL]
    assert {row["model"] for row in completions if row["teacher"] == 1} == {"second-opinion"}
    run = resolve_run("small@latest", project.directory / "runs")
    ledger = json.loads((run.artifact("evaluate") / "ledger.json").read_text())
    assert [teacher["model"] for teacher in ledger["teachers"]] == ["tickets-recorded-answers"]


def test_rows_on_which_they_differ_are_dropped_and_say_so(agreed: tuple[Project, set[str]]) -> None:
    project, differ = agreed
    rejected, kept = rows_of(project, "filter", "rejected"), rows_of(project, "filter", "kept")
    asked = {row["id"] for row in [*rejected, *kept]}
    assert {row["id"] for row in rejected} == differ & asked
    assert {(row["reason"], row["teachers"], row["agreeing"], row["margin"]) for row in rejected} == {
        ("no_majority", 2, 1, 0.0)
    }
    assert {(row["teachers"], row["agreeing"], row["margin"]) for row in kept} == {(2, 2, 1.0)}


def test_what_each_cost_adds_up_and_the_price_of_serving_is_the_first_ones(agreed: tuple[Project, set[str]]) -> None:
    project, _ = agreed
    run = resolve_run("small@latest", project.directory / "runs").directory
    costs = json.loads((run / "costs.json").read_text())
    usd = dict.fromkeys(("tickets-recorded-answers", "second-opinion"), 0.0)
    for row in rows_of(project, "generate", "completions"):
        usd[row["model"]] += row["cost_usd"]
    assert costs["one_off"]["data_usd"] == pytest.approx(sum(usd.values()))
    assert costs["teacher"]["usd"] == pytest.approx(usd["tickets-recorded-answers"])
    notes = [line["note"] for line in costs["ledger"] if (line["stage"], line["kind"]) == ("generate", "teacher")]
    assert ["tickets-recorded-answers" in notes[0], "second-opinion" in notes[1]] == [True, True]


def test_report_card_and_run_json_name_both_with_their_terms(agreed: tuple[Project, set[str]]) -> None:
    run = resolve_run("small@latest", agreed[0].directory / "runs").directory
    card, page = (run / "student" / "README.md").read_text(), (run / "report.html").read_text(encoding="utf-8")
    assert "`second-opinion`: training with its outputs is stated as allowed (https://second.example/terms)" in card
    assert "`teacher` is tickets-recorded-answers" in card
    assert "With the majority" in page
    assert "https://second.example/terms" in page
    config = cast("dict[str, Any]", json.loads((run / "run.json").read_text())["config"])
    assert [teacher["model"] for teacher in config["teachers"]] == [config["teacher"]["model"], "second-opinion"]


def test_plan_prices_each_and_knows_what_is_paid(agreed: tuple[Project, set[str]]) -> None:
    code, out, err = agreed[0].call("plan", "small.yaml", "--set", "student.seed=8", "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert [one["calls"] for one in plan["teachers"]] == [0, 0]
    assert [one["journal_hits"] for one in plan["teachers"]] == [150, POOL]


def test_the_same_row_can_be_inspected_answer_by_answer(agreed: tuple[Project, set[str]]) -> None:
    project, differ = agreed
    where, columns = "reason == 'no_majority'", "id,teacher,model_served,target"
    code, out, err = project.call("inspect", "small@latest", "filter", "--where", where, "--columns", columns, "--json")
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert {row["id"] for row in rows} <= differ
    assert {row["teacher"] for row in rows} == {0, 1}


def test_dropping_the_second_teacher_buys_nothing_and_trains_on_all_rows(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    add_second_teacher(project)
    code, _, err = project.call("run", "small.yaml", "--until", "filter")
    assert code == 0, err
    project.config["teacher"] = project.config.pop("teachers")[0]
    project.config["filters"] = ["parseable"]
    project.config["student"]["objective"] = {"hard": 1.0}
    project.write()
    code, out, err = project.call("run", "small.yaml", "--until", "filter", "--json")
    assert code == 0, err
    stages = {stage["stage"]: stage for stage in json.loads(out)["stages"]}
    assert (stages["generate"]["cost_usd"], stages["filter"]["rows_out"]) == (0.0, POOL)


def test_a_second_teacher_that_fails_its_smoke_test_stops_the_run_and_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    add_second_teacher(project)
    rows = [json.loads(line) for line in (tmp_path / "other.jsonl").read_text(encoding="utf-8").splitlines()]
    text = "".join(json.dumps(row | {"intent": "nonsense"}) + "\n" for row in rows)
    (tmp_path / "other.jsonl").write_text(text, encoding="utf-8")
    code, _, err = project.call("run", "small.yaml")
    assert code == 6
    assert "smoke test of 'second-opinion'" in err
