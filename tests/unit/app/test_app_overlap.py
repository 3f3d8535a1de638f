"""What plan and doctor say of shared rows and of gates that cannot be met."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from distill.app.composition import Composition, compose
from distill.app.outlook import look_ahead
from distill.app.overlap import audit_overlap, find_impossible_gates
from distill.app.runs import write_run
from distill.config import load_config
from distill.engine.runner import StageResult
from distill.engine.store import Store


@pytest.fixture
def composed(tmp_path: Path, repo_root: Path):
    """Compose the tiny config over rows of our own, with a held-out source that shares some with them."""

    def make(shared: int = 0, **data: object) -> Composition:
        config = yaml.safe_load((repo_root / "configs" / "tiny.yaml").read_text(encoding="utf-8"))
        rows = [
            {"id": f"r{i}", "input": f"amber{i} birch{i} cedar{i} dune{i} ember{i}", "gold": "a"} for i in range(160)
        ]
        heldout = [{**row, "id": f"h{i}"} for i, row in enumerate(rows[100 - shared : 140])]
        for name, found in (("rows", rows[:100]), ("held", heldout)):
            (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, found)) + "\n", encoding="utf-8")
        config["task"] |= {"labels": ["a", "b"], "user": "{{ input }}"}
        config["task"].pop("student_user", None)
        config["data"] = {
            "source": "rows.jsonl", "id": "id", "gold": "gold", "heldout": {"source": "held.jsonl"}, **data
        }  # fmt: skip
        config["teacher"]["knowledge"] = ["rows.jsonl"]
        config["gate"] = {"rules": [{"metric": "accuracy", "versus": "teacher", "margin": 0.02}]}
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in config.items() if k != "runtime"}), encoding="utf-8")
        runs = {"DISTILL_RUNS_DIR": str(tmp_path / "runs"), "DISTILL_STATE_DIR": str(tmp_path / ".distill")}
        return compose(load_config(path, (), {**os.environ, **runs}))

    return make


def test_rows_in_both_sources_are_found_before_anything_runs(composed) -> None:
    audit = audit_overlap(composed(shared=7))
    assert audit is not None
    assert (audit.overlap_exact, audit.overlap_near, audit.heldout) == (7, 7, 47)
    assert any(
        "7 are also in the training data letter for letter" in said
        for said in look_ahead(composed(shared=7), ()).warnings
    )


def test_nothing_shared_is_nothing_said(composed) -> None:
    audit = audit_overlap(composed())
    assert audit is not None
    assert audit.describe() is None
    assert look_ahead(composed(), ()).to_json()["overlap"]["overlap_exact"] == 0


def test_a_heldout_set_that_will_be_drawn_has_no_audit_yet(composed) -> None:
    assert audit_overlap(composed(heldout={"size": 30})) is None


def test_with_gold_no_gate_is_impossible(composed) -> None:
    assert find_impossible_gates(composed()) == []


def test_without_gold_plan_asks_for_the_teachers_agreement_with_itself(composed) -> None:
    (said,) = find_impossible_gates(composed(gold=None))
    assert "evaluate.repeats to 2" in said


def leave_a_run(composition: Composition, rate: float) -> None:
    """Publish an evaluation that asked the teacher twice, and a run directory that names it."""
    store = Store(composition.runtime.state_dir)
    with store.claim("evaluate", "e" * 64) as scratch:
        agreement = {"self_agreement": {"rate": rate, "n": 40, "repeats": 2}}
        (scratch.output_dir / "evaluation.json").write_text(json.dumps(agreement))
    store.publish("evaluate", "e" * 64, {"version": 1, "upstream": {}})
    results = [StageResult("evaluate", "e" * 64, "ran", 1.0, 40, 40, 0.0)]
    facts: dict[str, object] = {"config": {}, "verdict": None, "state_dir": str(composition.runtime.state_dir)}
    write_run(composition.runtime.runs_dir, composition.config.name, "20260101-000000-aaaaaa", facts, results, {}, {})


def test_a_margin_beyond_the_teachers_own_agreement_is_named_impossible(composed) -> None:
    composition = composed(gold=None)
    leave_a_run(composition, 0.9)
    (said,) = find_impossible_gates(composition)
    assert "impossible gate" in said
    assert "set a margin above 0.051" in said


def test_a_margin_within_the_teachers_own_agreement_is_possible(composed) -> None:
    composition = composed(gold=None)
    leave_a_run(composition, 0.99)
    assert find_impossible_gates(composition) == []


def test_without_gold_power_is_that_of_showing_agreement(composed) -> None:
    from distill.app.power import plan_power
    from distill.statistics.proportions import bound_power

    plan = plan_power(composed(gold=None), (0.005,), 600)
    assert plan.rows[0].rule == "agreement"
    assert plan.rows[0].power == pytest.approx(bound_power(600, 0.02, 0.005), abs=1e-3)
