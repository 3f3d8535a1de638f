"""A small run directory made by hand: a student file, a gate's word, scores, costs and predictions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from distill.cli import main
from distill.engine.parquet import write_table
from distill.engine.store import Store
from distill.records.tables import PREDICTIONS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from keyword_student import make_keyword_student


@dataclass
class Result:
    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process; gives its exit code and what it printed."""

    def call(*arguments: object) -> Result:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return call


@dataclass
class Project:
    """Where the fabricated runs live."""

    root: Path

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    @property
    def state_dir(self) -> Path:
        return self.root / ".distill"

    def publish(self, stage: str, key: str, files: dict[str, str], record: dict[str, Any] | None = None) -> None:
        store = Store(self.state_dir)
        with store.claim(stage, key) as scratch:
            for name, text in files.items():
                (scratch.output_dir / name).parent.mkdir(parents=True, exist_ok=True)
                (scratch.output_dir / name).write_text(text, encoding="utf-8")
            store.publish(stage, key, record or {})

    def add_run(
        self,
        run_id: str,
        decision: str = "promote",
        right: int = 30,
        of: str = "student",
        agreement: float | None = 1.0,
        evaluation: dict[str, Any] | None = None,
    ) -> Path:
        """Leave a run of 40 held-out examples, `right` of them answered well; `agreement` is that of its forms."""
        keys = {"evaluate": f"{run_id}-evaluate", "gate": f"{run_id}-gate", "report": f"{run_id}-report"}
        manifest = json.dumps({"thresholds": {"fallback": 0.5}, "base": {"name": "tiny"}})
        files = {
            "student/distill.json": manifest, "student/weights": run_id, "parity.json": "[]",
            "evaluation.json": json.dumps({"threshold": {"threshold": 0.5}, **(evaluation or {})})}  # fmt: skip
        if agreement is not None:
            form = {"form": "merged", "agreement": agreement, "tokens": 640}
            files["student/form_parity.json"] = json.dumps({"required_agreement": 0.999, "forms": [form]})
        self.publish("evaluate", keys["evaluate"], files)
        self.publish("report", keys["report"], {"report.html": f"<!doctype html><p>report of {run_id}"})
        directory = self.runs_dir / "demo" / run_id
        directory.mkdir(parents=True)
        rule = {"metric": "accuracy", "of": of, "policy": "block"}
        gate: dict[str, Any] = {"decision": decision, "reason": "as made", "heldout_digest": "0" * 64, "rules": [rule]}
        judged = {"upstream": {"evaluate": keys["evaluate"]}}
        self.publish("gate", keys["gate"], {"gate.json": json.dumps(gate)}, judged)
        scores = {"accuracy": {"value": right / 40}, "p95_latency_ms": {"value": 12.0}}
        stages: list[dict[str, Any]] = [
            {"stage": s, "key": k, "cost_usd": 0.25 * (s != "gate")} for s, k in keys.items()
        ]
        facts = {
            "schema": 1, "id": run_id, "name": "demo", "verdict": decision, "stages": stages,
            "state_dir": "../../../.distill", "finished": f"2026-01-0{run_id[-1]}T00:00:00+00:00",
            "config": {"teacher": {"model": "big", "provider": "rehearsal"}, "student": {"base": "org/small"},
                       "gate": {"rules": [{"margin": float(run_id[-1])}]}},
        }  # fmt: skip
        values = {"gate.json": gate, "run.json": facts, "scores.json": {"systems": {of: scores, "student": scores}},
                  "costs.json": {of: {"per_1k_usd": 0.04}}}  # fmt: skip
        for name, value in values.items():
            (directory / name).write_text(json.dumps(value), encoding="utf-8")
        rows = [{"id": f"e{i}", "system": of, "repeat": 0, "correct": i < right} for i in range(40)]
        write_table(pa.Table.from_pylist(rows, schema=PREDICTIONS), directory / "predictions.parquet")
        (directory / "student").symlink_to(f"../../../.distill/artifacts/evaluate/{keys['evaluate']}/student")
        return directory


@pytest.fixture(autouse=True)
def _handmade_students_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """The students of these runs are text files; a student of keywords stands in for their weights."""
    monkeypatch.setattr("distill.app.identity.load_student", lambda directory, version: make_keyword_student(version))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
