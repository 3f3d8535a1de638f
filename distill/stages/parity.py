"""What the evaluated student said to a few validation prompts: promotion asks again and compares.

No held-out row and no input text is kept: an id, the answer and its confidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, cast

from distill.records.example import Example
from distill.stages.examples_table import read_examples
from distill.students.protocol import Predictor
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student

FILE = "parity.json"
ROWS = 16
CONFIDENCE_TOLERANCE = 0.01
"""Batches of other sizes round differently; a changed weight, template or tokenizer moves far more."""


class Probe(TypedDict):
    """One prompt's answer; `confidence` is None where the student gave none."""

    id: str
    text: str
    confidence: float | None
    error_kind: str | None


def probe(predictor: Predictor, task: TaskConfig, split_dir: Path, only: Sequence[str] | None = None) -> list[Probe]:
    """Ask the first validation prompts, or those with the ids of `only`.

    Raises:
        StoreError: the split's table is damaged.
    """
    examples = read_examples(split_dir / "validation.parquet")
    chosen = _choose(examples, only)
    answers = predictor.predict([render_student(task, example.id, example.columns) for example in chosen])
    return [Probe(id=a.id, text=a.text, confidence=a.confidence, error_kind=a.error_kind) for a in answers]


def write_probes(probes: Sequence[Probe], directory: Path) -> None:
    """Write parity.json."""
    (directory / FILE).write_text(json.dumps(list(probes), indent=1, ensure_ascii=False), encoding="utf-8")


def read_probes(directory: Path) -> list[Probe] | None:
    """Read parity.json; None where the evaluation left none."""
    path = directory / FILE
    return cast("list[Probe]", json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def compare(expected: Sequence[Probe], found: Sequence[Probe]) -> list[str]:
    """Return what differs, one line a prompt."""
    by_id = {one["id"]: one for one in found}
    return [difference for one in expected if (difference := _differ(one, by_id.get(one["id"])))]


def _choose(examples: Sequence[Example], only: Sequence[str] | None) -> list[Example]:
    if only is None:
        return list(examples[:ROWS])
    wanted = set(only)
    return [example for example in examples if example.id in wanted]


def _differ(expected: Probe, found: Probe | None) -> str:
    if found is None:
        return f"{expected['id']}: not in the validation rows any more"
    if (expected["text"], expected["error_kind"]) != (found["text"], found["error_kind"]):
        return f"{expected['id']}: answered differently"
    before, now = expected["confidence"], found["confidence"]
    if (before is None) != (now is None) or abs((before or 0.0) - (now or 0.0)) > CONFIDENCE_TOLERANCE:
        return f"{expected['id']}: confidence {now}, was {before}"
    return ""
