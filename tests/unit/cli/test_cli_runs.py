"""Commands on finished runs: the decision, promotion and the way back, reports and comparisons."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import distill
from distill.engine.channels import Depot, hash_files
from distill.errors import UsageError
from distill.serving.students import load_entry


@pytest.mark.parametrize(("word", "code"), [("promote", 0), ("hold", 3), ("inconclusive", 4), ("invalid", 7)])
def test_the_gates_word_is_the_exit_code(word: str, code: int, project, cli) -> None:
    project.add_run("r1", word)
    shown = cli("gate", "r1", "--runs-dir", project.runs_dir, "--json")
    assert (shown.code, json.loads(shown.out)["decision"]) == (code, word)


def test_a_channel_moves_back_and_remembers(project, cli) -> None:
    runs, state = ("--runs-dir", project.runs_dir), ("--state-dir", project.state_dir)
    project.add_run("r1")
    project.add_run("r2")
    assert cli("promote", "r1", *runs).code == 0
    assert cli("promote", "r2", *runs).code == 0
    assert cli("rollback", *state).code == 0
    history = json.loads(cli("channels", "production", *state, "--json").out)["production"]
    assert [entry["action"] for entry in history] == ["promote", "promote", "rollback"]
    assert history[2]["target"] == history[0]["target"] != history[1]["target"]
    assert history[2]["metadata"]["run"] == "r1"


def test_only_a_promote_moves_a_channel_or_a_person_with_a_reason(project, cli) -> None:
    project.add_run("r1", "hold")
    runs, state = ("--runs-dir", project.runs_dir), ("--state-dir", project.state_dir)
    assert cli("promote", "r1", *runs).code == 3
    assert cli("promote", "r1", *runs, "--force").code == 2
    assert json.loads(cli("channels", *state, "--json").out) == {}
    assert cli("promote", "r1", *runs, "--force", "--reason", "outage").code == 0
    entry = json.loads(cli("channels", *state, "--json").out)["production"][0]
    assert (entry["action"], entry["why"]) == ("force", "outage")


@pytest.mark.parametrize(("agreement", "words"), [(0.998, "99.80% of 640 positions"), (None, "no parity evidence")])
def test_student_that_is_not_the_trained_one_is_not_promoted(project, cli, agreement: float, words: str) -> None:
    project.add_run("r1", agreement=agreement)
    runs = ("--runs-dir", project.runs_dir)
    refused = cli("promote", "r1", *runs)
    assert refused.code == 3
    assert words in refused.err
    assert cli("promote", "r1", *runs, "--force", "--reason", "known").code == 0
    entry = json.loads(cli("channels", "--state-dir", project.state_dir, "--json").out)["production"][0]
    assert entry["action"] == "force"


def test_promotion_records_the_files_that_serving_checks(project, cli) -> None:
    from distill.engine.channels import Channels
    from distill.errors import StoreError

    student = project.add_run("r1", of="cascade") / "student"
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    entry = Channels(project.state_dir).read("production")
    assert entry is not None
    assert entry.metadata["files"] == hash_files(student)
    assert entry.metadata["system"] == "cascade"
    (student / "weights").write_text("changed")
    with pytest.raises(StoreError, match="differ from what was promoted"):
        load_entry(entry, Depot(project.state_dir, project.state_dir))


def test_a_changed_student_is_not_promoted(project, cli) -> None:
    student = project.add_run("r1") / "student"
    (student / "weights").write_text("changed")
    refused = cli("promote", "r1", "--runs-dir", project.runs_dir)
    assert (refused.code, "student/weights" in refused.err) == (1, True)


def test_runs_lists_newest_first(project, cli) -> None:
    project.add_run("r1")
    project.add_run("r2", "hold")
    rows = json.loads(cli("runs", "--runs-dir", project.runs_dir, "--json").out)["runs"]
    assert [(row["run"], row["verdict"], row["cost_usd"]) for row in rows] == [
        ("r2", "hold", 0.5),
        ("r1", "promote", 0.5),
    ]


@pytest.mark.parametrize("width", [80, 140])
def test_a_line_per_run_fits_the_terminal_and_no_id_is_cut(width: int) -> None:
    from rich.console import Console

    from distill.cli.runs import draw

    row = {"run": "20261124-185424-84d338", "name": "a-very-long-name-of-a-config",
           "teacher": "[bold]gpt\x1b[2J",
           "student": "all-MiniLM-L6-v2", "metric": "accuracy", "student_score": 0.69583333, "teacher_score": 0.9979,
           "verdict": "inconclusive", "cost_usd": 12.345}  # fmt: skip
    console = Console(width=width)
    with console.capture() as captured:
        console.print(draw([row, row | {"verdict": None, "cost_usd": None, "student_score": None}], width))
    lines = captured.get().rstrip().splitlines()
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert all("20261124-185424-84d338" in line for line in lines[1:3])
    assert "0.696 / 0.998" in lines[1]
    assert "inconclusive" in lines[1]
    assert "$12.35" in lines[1] or "$12.34" in lines[1]
    assert ("[bold]gpt\\x1b" in lines[1]) == (width == 140)


def test_a_report_is_the_artifacts_page(project, cli, tmp_path: Path) -> None:
    directory = project.add_run("r1")
    runs = ("--runs-dir", project.runs_dir)
    out = tmp_path / "new" / "page.html"
    assert cli("report", "r1", *runs, "-o", out).out.strip() == str(out)
    assert out.read_text().endswith("report of r1")
    assert cli("report", directory, *runs).code == 0
    assert (directory / "report.html").read_text() == out.read_text()


def test_several_runs_are_compared_with_csv_and_json_beside(project, cli, tmp_path: Path) -> None:
    project.add_run("r1", "hold", right=20, of="cascade")
    project.add_run("r2", right=36)
    out = tmp_path / "both.html"
    assert cli("report", "r2", "r1", "--runs-dir", project.runs_dir, "-o", out).code == 0
    page = out.read_text()
    assert "gate.<wbr>rules" in page
    assert '+40.0<span class="under">(' in page
    rows = list(csv.DictReader(io.StringIO(out.with_suffix(".csv").read_text())))
    assert [(row["id"], row["student"], row["quality"]) for row in rows] == [
        ("r1", "small with fallback", "0.5"), ("r2", "small", "0.9"),
    ]  # fmt: skip
    assert json.loads(out.with_suffix(".json").read_text())["runs"][1]["per_1k_usd"] == 0.04


def test_a_comparison_never_overwrites_its_own_page(project, cli, tmp_path: Path) -> None:
    project.add_run("r1")
    project.add_run("r2")
    assert cli("report", "r1", "r2", "--runs-dir", project.runs_dir, "-o", tmp_path / "x.csv").code == 2
    assert not (tmp_path / "x.csv").exists()


def test_a_run_that_stopped_early_is_still_shown(project, cli, tmp_path: Path) -> None:
    project.add_run("r1")
    directory = project.add_run("r2")
    for name in ("gate.json", "scores.json", "costs.json", "predictions.parquet"):
        (directory / name).unlink()
    facts = json.loads((directory / "run.json").read_text())
    facts |= {"verdict": None, "stages": facts["stages"][:1]}
    (directory / "run.json").write_text(json.dumps(facts))
    runs = ("--runs-dir", project.runs_dir)
    assert cli("report", "r1", "r2", *runs, "-o", tmp_path / "c.html").code == 0
    assert "unfinished" in (tmp_path / "c.csv").read_text()
    assert cli("report", "r2", *runs).code == 2
    assert cli("gate", "r2", *runs).code == 2


def test_load_run_gives_tables_and_decisions(project) -> None:
    directory = project.add_run("r1")
    run = distill.load_run(directory)
    assert run.predictions.num_rows == 40
    assert run.gate["decision"] == "promote"
    assert run.costs["student"]["per_1k_usd"] == 0.04
    assert run.scores["systems"]["student"]["accuracy"]["value"] == 0.75
    assert distill.load_run("r1", project.runs_dir).id == "r1"
    with pytest.raises(UsageError, match="it has: none"):
        run.table("evaluate", "predictions")


def test_a_gates_word_that_was_edited_is_not_believed(project, cli) -> None:
    path = project.add_run("r1", "hold") / "gate.json"
    path.write_text(path.read_text().replace("hold", "promote"))
    shown = cli("gate", "r1", "--runs-dir", project.runs_dir)
    assert shown.code == 7
    assert "differs from what the gate wrote" in shown.err
    path.write_text("{")
    assert cli("gate", "r1", "--runs-dir", project.runs_dir).code == 7


def test_a_run_is_found_by_its_config_whatever_the_files_name(project, cli, tmp_path: Path) -> None:
    directory = project.add_run("r1")
    (directory.parent / "latest").symlink_to(directory.name)
    (tmp_path / "distill.yaml").write_text("name: demo\n")
    for reference in (tmp_path / "distill.yaml", "demo", "demo.yaml"):
        assert cli("gate", f"{reference}@latest", "--runs-dir", project.runs_dir, "--json").code == 0
    (tmp_path / "distill.yaml").write_text("name: other\n")
    failed = cli("gate", f"{tmp_path / 'distill.yaml'}@latest", "--runs-dir", project.runs_dir, "--json")
    assert (failed.code, "no run named 'other'" in failed.err) == (2, True)


def test_the_history_of_a_channel_that_is_not_there_is_a_usage_error_that_names_those_that_are(project, cli) -> None:
    project.add_run("r1")
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    failed = cli("channels", "prodution", "--state-dir", project.state_dir)
    assert (failed.code, "there are: production" in failed.err) == (2, True)


def test_agreement_with_the_teacher_is_not_called_accuracy(project, cli) -> None:
    directory = project.add_run("r1")
    scores = json.loads((directory / "scores.json").read_text())
    (directory / "scores.json").write_text(json.dumps({**scores, "reference": "teacher"}))
    (row,) = json.loads(cli("runs", "--runs-dir", project.runs_dir, "--json").out)["runs"]
    assert row["metric"] == "agreement"


@pytest.mark.parametrize("amount", ["nan", "inf", "-1"])
def test_a_budget_that_is_no_amount_is_refused(amount: str, cli) -> None:
    assert cli("run", "x.yaml", "--budget", amount).code == 2


def test_a_rehearsals_student_is_not_promoted_but_by_a_person(project, cli) -> None:
    project.add_run("r1", evaluation={"is_rehearsal": True})
    runs = ("--runs-dir", project.runs_dir)
    refused = cli("promote", "r1", *runs)
    assert (refused.code, "whose teacher is a stand-in" in refused.err) == (3, True)
    assert cli("promote", "r1", *runs, "--force", "--reason", "the data's own gold is the teacher").code == 0
