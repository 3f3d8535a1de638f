from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from distill.engine.stage import Context
from distill.records.amounts import add_usd
from distill.records.prediction import Prediction
from distill.records.tables import PREDICTIONS
from distill.stages.looks import count_look, read_looks
from distill.stages.report import read_audit, read_curve, tally_fields
from distill.stages.report_costs import rival_lines, threshold_of
from distill.stages.report_files import Files, _find_curve
from distill.stages.report_lineage import gather_lineage, gather_looks
from distill.stages.scoring import prediction_row
from distill.teachers.config import TermsConfig

RECORD = {
    "key": "e" * 64, "version": 1, "started_unix_s": 1_795_000_000.0, "seconds": 3.0, "rows_in": 4, "rows_out": 4,
    "cost_usd": 0.0, "commit": "abc", "versions": {"python": "3.11"}, "lock": "l" * 64,
    "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
    "config": {"student": {"base": "small", "kind": "classifier"}},
}  # fmt: skip


def _files(**changes: Any) -> Files:
    ledger = {"usd": 0.1, "wasted_usd": 0.0, "attempts_by_error": {}, "estimated_calls": 0, "models_served": {"t": 4}}
    base = {"name": "small", "licence": "apache-2.0", "hashes": {"model.safetensors": "ab" * 32}}
    evaluation = {"threshold": None, "heldout_digest": "d" * 64, "look": 2, "finished": "2026-11-24T00:00:00"}
    known = {
        "training": {"base": base}, "evaluation": evaluation, "gate": {"decision": "hold"}, "scores": {},
        "generate": {"ledger": ledger, "standing": {"sunset": None, "days_left": None}}, "evaluate": {"ledger": ledger},
        "rivals": {},
        "audit": {}, "funnel": [], "curve": None, "records": {"gate": RECORD, "evaluate": RECORD},
    }  # fmt: skip
    known.setdefault("regenerate", {})
    return Files(**{**known, **changes})


def test_no_threshold_that_could_be_chosen_is_not_the_same_as_no_fallback() -> None:
    assert threshold_of(_files()) is None
    assert threshold_of(_files(evaluation={"threshold": {"threshold": None}})) == math.inf
    assert threshold_of(_files(evaluation={"threshold": {"threshold": 0.7}})) == 0.7


def test_one_answer_without_a_price_makes_the_sum_unknown() -> None:
    assert add_usd([0.5, 0.25]) == 0.75
    assert add_usd([0.5, None]) is None


def test_lineage_names_commit_versions_licence_and_hashes(split_context: Context) -> None:
    lineage = gather_lineage(_files(), split_context, TermsConfig(), {"student": 7})
    assert (lineage.commit, lineage.versions["python"], lineage.model_served) == ("abc", "3.11", "t")
    assert lineage.licences == (("base model: small", "apache-2.0"),)
    assert lineage.hashes["model.safetensors of small"] == "ab" * 32
    assert [stage.stage for stage in lineage.stages] == ["evaluate", "gate"]


def test_a_base_without_a_licence_is_said_to_state_none(split_context: Context) -> None:
    files = _files(training={"base": {"name": "small", "licence": None, "hashes": {}}})
    assert gather_lineage(files, split_context, TermsConfig(), {}).licences[0][1] == "not stated in its card"


def test_earlier_looks_are_listed_with_what_they_came_to(split_context: Context) -> None:
    state, first = split_context.state_dir, "f" * 64
    for key in (first, "e" * 64, "later"):
        count_look(state, "d" * 64, key)
    for stage, key, body in (
        ("evaluate", first, RECORD),
        ("gate", "g", {"upstream": {"evaluate": first}, "facts": {"decision": "inconclusive"}}),
    ):
        path = state / "artifacts" / stage / key / "record.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(body))
    looks = gather_looks(_files(), split_context, "small")
    assert [(look.number, look.decision) for look in looks] == [(1, "inconclusive"), (2, "hold")]
    assert "small (classifier)" in looks[0].student


def test_a_student_judged_again_by_other_rules_is_listed_as_that(split_context: Context) -> None:
    for key in ("a", "a:0123", "later"):
        count_look(split_context.state_dir, "d" * 64, key)
    files = _files()
    files.evaluation["look"], files.gate["looks"] = 3, {"look": 3}
    looks = gather_looks(files, split_context, "small")
    assert [look.number for look in looks] == [1, 2, 3]
    assert [look.student for look in looks] == [
        "a (its files are gone)",
        "other rules: a (its files are gone)",
        "small",
    ]


def test_reading_looks_counts_none(tmp_path: Path) -> None:
    assert read_looks(tmp_path, "d") == []
    count_look(tmp_path, "d", "a")
    assert read_looks(tmp_path, "d") == read_looks(tmp_path, "d") == ["a"]


@pytest.mark.parametrize("forecast", [None, {"rows": 400, "accuracy": 0.9, "low": 0.85, "high": 0.93}])
def test_a_curve_has_its_forecast_or_the_reason_why_not(forecast: dict[str, float] | None) -> None:
    points = [{"fraction": f, "rows": int(100 * f), "accuracy": f / 2, "low": None, "high": None} for f in (0.5, 1.0)]
    curve = read_curve({"points": points, "fit": None, "forecast": forecast, "reason": "two sizes are too few"})
    assert [point.is_forecast for point in curve.points] == [False, False] + [True] * (forecast is not None)
    assert curve.note == "two sizes are too few"


def test_the_audit_says_how_near_is_near_and_names_what_was_removed() -> None:
    audit = {"overlap_exact": 1, "overlap_normalised": 2, "overlap_near": 3, "leaks_removed_from_train": 4,
             "duplicates_removed": 0, "examples_of_leaks": [{"id": "a", "where": "x.jsonl:3"}]}  # fmt: skip
    config = {"near_duplicate_threshold": 0.8, "heldout": {"source": "h.jsonl"}}
    found = read_audit(replace(_files(), audit=audit, records={"split": {"config": config}}))
    assert (found.near_threshold, found.leaked, found.note) == (0.8, (("a", "x.jsonl:3"),), "")


@pytest.mark.parametrize(("student", "is_found"), [({"seed": 7}, True), ({"seed": 8}, False)])
def test_a_curve_counts_only_for_the_same_rows_and_the_same_student(
    tmp_path: Path, student: dict[str, int], is_found: bool
) -> None:
    kept, measured = tmp_path / "filter" / ("a" * 64), tmp_path / "curve" / "c"
    measured.mkdir(parents=True)
    record = {"upstream": {"kept": kept.name}, "config": {"student": {"seed": 7}}}
    (measured / "record.json").write_text(json.dumps(record))
    (measured / "curve.json").write_text('{"points": []}')
    found = _find_curve(kept, {"config": {"student": student}})
    assert (found is not None) == is_found


def test_what_rivals_and_the_judge_cost_has_lines_of_its_own_whenever_it_was_paid() -> None:
    ledger = {"usd": 0.0, "wasted_usd": 0.01, "answers": 40, "answers_usd": 0.2, "estimated_calls": 0}
    unknown = {**ledger, "answers_usd": None}
    lines = {line.kind: line for line in rival_lines(_files(rivals={"nano": ledger, "judge": unknown}))}
    assert (lines["rival"].stage, lines["rival"].usd, lines["rival"].calls) == ("evaluate", pytest.approx(0.21), 40)
    assert lines["judge"].usd is None


def test_fields_with_most_mistakes_come_first_and_only_the_students_count() -> None:
    gold = {"intent": "play", "slots": {"artist": ["x"], "year": ["1999"]}}
    said = {"intent": "play", "slots": {"artist": ["y"], "city": ["z"], "year": ["1999"]}}
    answers = [("student", 0, said), ("student", 0, None), ("student", 1, gold), ("teacher", 0, gold)]
    rows = [
        prediction_row(
            Prediction("1", who, n, "", told, False, 0.0, None, None if told else "empty", *[None] * 4, gold)
        )
        for who, n, told in answers
    ]
    fields = tally_fields(pa.Table.from_pylist(rows, schema=PREDICTIONS))
    assert [(field.name, field.wanted, field.claimed, field.right) for field in fields] == [
        ("slots.artist[]", 2, 2, 0),
        ("intent", 2, 2, 1),
        ("slots.year[]", 2, 2, 1),
        ("slots.city[]", 0, 1, 0),
    ]
