"""Predictions written as (answer, reference) pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from distill.records.prediction import Prediction


def make_rows(pairs: Sequence[tuple[Any, Any]], **fields: object) -> list[Prediction]:
    def one(i: int, said: Any, wanted: Any) -> Prediction:
        values: dict[str, Any] = {
            "id": f"r{i}", "system": "student", "repeat": 0, "text": said if isinstance(said, str) else "x",
            "parsed": said, "correct": said == wanted, "score": float(said == wanted), "confidence": None,
            "error_kind": "unparseable" if said is None else None, "latency_ms": None, "input_tokens": None,
            "output_tokens": None, "cost_usd": None, "reference": wanted,
        }  # fmt: skip
        return Prediction(**{**values, **fields})

    return [one(i, said, wanted) for i, (said, wanted) in enumerate(pairs)]


@pytest.fixture
def rows_of() -> Callable[..., list[Prediction]]:
    return make_rows
