from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.small_run import make_small_run

from distill.app.evidence import verify_evidence, write_evidence
from distill.app.runs import Run
from distill.engine.channels import Channels, hash_files
from distill.errors import DataError, UsageError
from distill.reports.annex import HEADINGS, Fact, annex_json, render_annex


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_small_run(tmp_path)


def _promote(run: Run, action: str = "promote", why: str = "all rules pass") -> None:
    channels, student = Channels(run.state_dir), run.artifact("evaluate") / "student"
    metadata = {"run": run.id, "decision": run.facts["verdict"], "files": hash_files(student)}
    version = len(channels.history("production"))
    target = str(student.relative_to(run.state_dir))
    channels.move("production", target, expected_version=version, who="ann", why=why, action=action, metadata=metadata)


def _json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_point_of_annex_iv_is_there_and_empty_ones_say_so(run: Run, tmp_path: Path) -> None:
    manifest = write_evidence(run, tmp_path / "out")
    text = (tmp_path / "out" / "technical-documentation.md").read_text()
    positions = [text.index(f"## {heading.number} ") for heading in HEADINGS]
    assert positions == sorted(positions)
    assert "8" in manifest["empty_points_of_annex_iv"]
    assert text.count("**Empty.**") == len(manifest["empty_points_of_annex_iv"])


def test_facts_are_the_runs_own_and_name_their_file(run: Run, tmp_path: Path) -> None:
    write_evidence(run, tmp_path / "out")
    points = {point["number"]: point for point in _json(tmp_path / "out" / "technical-documentation.json")}
    methods = {fact["name"]: (fact["value"], fact["source"]) for fact in points["2(a)"]["facts"]}
    assert methods["base licence"] == ("mit", "training.json")
    assert methods["teacher's sunset"] == ("2027-01-01", "generate/ledger.json")
    assert points["8"]["is_empty"]


def test_text_from_a_config_cannot_leave_its_table_cell(run: Run, tmp_path: Path) -> None:
    write_evidence(run, tmp_path / "out")
    text = (tmp_path / "out" / "technical-documentation.md").read_text()
    assert "Say a or b \\| &lt;b&gt;now&lt;/b&gt;" in text


def test_facts_for_a_point_that_the_annex_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="no point 10"):
        render_annex("t", [], {"10": [Fact("a", "b", "c")]})
    assert all(point["is_empty"] for point in annex_json({}))


def test_the_training_data_are_summarised_without_their_texts(run: Run, tmp_path: Path) -> None:
    write_evidence(run, tmp_path / "out")
    summary = _json(tmp_path / "out" / "training-data.json")
    assert summary["kept"] == 38
    assert summary["labels"] == {"a": 19, "b": 19}
    assert summary["dropped"] == {"parseable": {"unknown_label": 2}}
    assert "5" * 64 in summary["sources"]["source"]
    text = (tmp_path / "out" / "training-data.md").read_text()
    assert "**Empty:** not known to the run." in text
    assert "xxxx" not in text


def test_events_are_in_order_and_a_broken_log_line_is_said(run: Run, tmp_path: Path) -> None:
    write_evidence(run, tmp_path / "out")
    events = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    dated = [event["when"] for event in events if event["when"]]
    assert dated == sorted(dated)
    assert events[-1]["event"] == "unreadable_log_line"
    assert {"artifact_made", "stage_finished"} <= {event["event"] for event in events}


def test_an_override_and_a_rollback_are_kept_with_who_and_why(tmp_path: Path) -> None:
    good = make_small_run(tmp_path)
    held = make_small_run(tmp_path, "20260102-000000-bbbbbb", wrong=9, verdict="hold")
    _promote(good)
    _promote(held, "force", "the old one is too dear")
    Channels(held.state_dir).rollback("production", who="bo", why="customers complained")
    write_evidence(held, tmp_path / "out")
    oversight = _json(tmp_path / "out" / "human-oversight.json")
    records = oversight["overrides_and_rollbacks"]
    assert [(r["action"], r["why"]) for r in records] == [
        ("force", "the old one is too dear"),
        ("rollback", "customers complained"),
    ]
    assert records[0]["gate_said"] == "hold"


def test_the_chain_can_be_checked_again_from_the_folder_alone(run: Run, tmp_path: Path) -> None:
    _promote(run)
    write_evidence(run, tmp_path / "out")
    promotions = _json(tmp_path / "out" / "promotions.json")
    assert promotions["channels"]["production"]["is_sound"]
    assert promotions["entries_of_this_run"][0]["student"] == "unchanged since the promotion"
    assert verify_evidence(tmp_path / "out").is_sound


def test_a_changed_promotion_breaks_the_chain_and_the_manifest(run: Run, tmp_path: Path) -> None:
    _promote(run)
    write_evidence(run, tmp_path / "out")
    history = tmp_path / "out" / "channels" / "production.jsonl"
    history.write_text(history.read_text().replace('"decision":"promote"', '"decision":"hold"'))
    check = verify_evidence(tmp_path / "out")
    assert not check.is_sound
    assert any("changed since it was written" in problem for problem in check.problems)
    assert any("damaged entry" in problem for problem in check.problems)


def test_a_student_changed_after_its_promotion_is_found(run: Run, tmp_path: Path) -> None:
    _promote(run)
    (run.artifact("evaluate") / "student" / "weights.bin").write_text("other")
    manifest = write_evidence(run, tmp_path / "out")
    assert manifest["damaged_or_gone"] == ["evaluate"]
    assert _json(tmp_path / "out" / "promotions.json")["entries_of_this_run"][0]["student"].startswith("CHANGED")


@pytest.mark.parametrize("name", ["gate.json", "training-data.md"])
def test_a_missing_or_an_added_file_is_found(run: Run, tmp_path: Path, name: str) -> None:
    write_evidence(run, tmp_path / "out")
    (tmp_path / "out" / name).rename(tmp_path / "out" / "other.txt")
    problems = verify_evidence(tmp_path / "out").problems
    assert f"{name}: missing" in problems
    assert "other.txt: not in the manifest" in problems


def test_evidence_is_not_mixed_with_other_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        write_evidence(run, tmp_path / "out")
    with pytest.raises(DataError, match="manifest"):
        verify_evidence(tmp_path / "out")
