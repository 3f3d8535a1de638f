"""Evidence made on the spot: systems that are right on chosen rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from distill.gates.evidence import Evidence
from distill.metrics import METRICS
from distill.records.prediction import Prediction


def make_predictions(system: str, right: Sequence[bool], **fields: object) -> list[Prediction]:
    def one(i: int, ok: bool) -> Prediction:
        wanted, other = ("a", "b") if i % 3 else ("b", "a")
        said = wanted if ok else other
        values: dict[str, object] = {
            "id": f"r{i:05d}", "system": system, "repeat": 0, "text": said, "parsed": said,
            "correct": ok, "score": float(ok), "confidence": 0.9, "error_kind": None, "latency_ms": 5.0,
            "input_tokens": 1, "output_tokens": 1, "cost_usd": 0.001, "reference": wanted,
            "slices": {"channel": "chat" if i % 2 else "mail"},
        }  # fmt: skip
        return Prediction(**{**values, **fields})  # type: ignore[arg-type]

    return [one(i, ok) for i, ok in enumerate(right)]


def make_evidence(**systems: Sequence[bool]) -> Evidence:
    predictions = {name: make_predictions(name, right) for name, right in systems.items()}
    expected = {p.id: "" for p in predictions["student"]}
    return Evidence(expected, predictions, METRICS, heldout_digest="digest", labels=("a", "b"))


@pytest.fixture
def evidence_of() -> Callable[..., Evidence]:
    return make_evidence


@pytest.fixture
def predictions_of() -> Callable[..., list[Prediction]]:
    return make_predictions
