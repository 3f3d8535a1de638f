from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.small_run import make_small_run

import distill
from distill.app.results import RunResults
from distill.errors import ConfigError, UsageError


@pytest.fixture
def results(tmp_path: Path) -> RunResults:
    return distill.load_run(make_small_run(tmp_path).directory)


def test_tables_come_as_arrow_and_as_pandas(results: RunResults) -> None:
    assert results.arrow("predictions").num_rows == 80
    frame = results.frame("scores")
    assert set(frame.columns) >= {"slice", "system", "metric", "value", "low", "high", "n"}
    student = frame[(frame.system == "student") & (frame.metric == "accuracy") & frame.slice.isna()]
    assert student.value.item() == pytest.approx(0.9)
    assert results.frame("funnel").reason.tolist() == ["unknown_label"]
    assert results.frame("stages").stage.tolist()[0] == "ingest"
    assert results.frame("rules").outcome.tolist() == ["pass"]


def test_an_unknown_table_names_those_there_are(results: RunResults) -> None:
    with pytest.raises(UsageError, match="rules, scores, ledger"):
        results.arrow("nonsense")


def test_costs_under_the_runs_own_assumptions_count_every_teacher_dollar(results: RunResults) -> None:
    costs = results.recost()
    assert costs["one_off"]["data_usd"] == pytest.approx(40 * 0.001 + 0.001)
    assert costs["one_off"]["evaluation_usd"] == pytest.approx(9 / 3600 + 40 * 0.001 + 0.001)
    lines = {(line["stage"], line["kind"]): line["usd"] for line in costs["ledger"]}
    assert lines["generate", "discarded"] == 0.002
    assert costs["student"]["per_1k_usd"] == pytest.approx(0.5 / (50 * 3600 * 0.5) * 1000)


def test_a_what_if_changes_only_what_it_names(results: RunResults) -> None:
    plain, dear = results.recost(), results.recost({"student.usd_per_hour": 5.0, "costs.requests_per_day": 2000})
    assert dear["student"]["per_1k_usd"] == pytest.approx(10 * plain["student"]["per_1k_usd"])
    assert dear["monthly"]["requests"] == pytest.approx(2 * plain["monthly"]["requests"])
    assert dear["teacher"] == plain["teacher"]


def test_a_wrong_what_if_names_its_path(results: RunResults) -> None:
    with pytest.raises(ConfigError, match=r"costs\.student\.usd_per_our"):
        results.recost({"student.usd_per_our": 5.0})


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    run = make_small_run(tmp_path)
    gate = json.loads((run.directory / "gate.json").read_text())
    (run.directory / "gate.json").write_text(json.dumps({**gate, "rules": []}))
    assert "margin" in distill.load_run(run.directory).frame("rules").columns
