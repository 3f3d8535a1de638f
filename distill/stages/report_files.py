"""What the stages left for the report: their JSON files and records, by role. Also read again for what-ifs on costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.engine.store import RECORD

STAGE_OF_ROLE = {"split": "split", "sealed": "split"}
"""Roles whose directory is one folder of the stage's artifact; every other role is a stage's name."""


@dataclass(frozen=True, slots=True)
class Files:
    """The JSON files of the inputs; `records` maps stage to its record.json."""

    training: dict[str, Any]
    evaluation: dict[str, Any]
    gate: dict[str, Any]
    scores: dict[str, Any]
    generate: dict[str, Any]
    evaluate: dict[str, Any]
    rivals: dict[str, Any]
    audit: dict[str, Any]
    funnel: list[dict[str, Any]]
    regenerate: dict[str, Any]
    curve: dict[str, Any] | None
    records: dict[str, dict[str, Any]]


def read_files(inputs: Mapping[str, Path]) -> Files:
    """Read the JSON files that the stages left; the learning curve is there only when one was measured.

    Raises:
        OSError: a file that every stage writes is missing.
    """
    records = _read_records(inputs)
    return Files(
        training=_read(inputs["train"] / "training.json"),
        evaluation=_read(inputs["evaluate"] / "evaluation.json"),
        gate=_read(inputs["gate"] / "gate.json"),
        scores=_read(inputs["gate"] / "scores.json"),
        generate=_read(inputs["generate"] / "ledger.json"),
        evaluate=_read(inputs["evaluate"] / "ledger.json"),
        rivals=_read_if_there(inputs["evaluate"] / "rivals.json"),
        audit=_read(inputs["split"] / "audit.json"),
        funnel=json.loads((inputs["filter"] / "funnel.json").read_text(encoding="utf-8")),
        regenerate=_read_if_there(inputs["filter"] / "regenerate.json"),
        curve=_find_curve(inputs["filter"], records.get("train", {})),
        records=records,
    )


def _find_curve(kept: Path, train: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the curve that was measured on these kept rows with this run's own student, or None."""
    wanted = train.get("config", {}).get("student")
    for path in sorted((kept.parent.parent / "curve").glob(f"*/{RECORD}")):
        record = _read(path)
        if record["upstream"].get("kept") == kept.name and record["config"].get("student") == wanted:
            return _read(path.parent / "curve.json")
    return None


def _read_records(inputs: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for role, path in inputs.items():
        directory = path.parent if role in STAGE_OF_ROLE else path
        if (directory / RECORD).is_file():
            found[STAGE_OF_ROLE.get(role, role)] = _read(directory / RECORD)
    return found


def _read_if_there(path: Path) -> dict[str, Any]:
    return _read(path) if path.is_file() else {}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
