from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import pytest

from distill.metrics.hf import DistillAccuracy, DistillFailureRate, DistillMacroF1

ANSWERS = ["a", "b", "", "c", "a"]
REFERENCES = ["a", "b", "b", "a", "a"]


@pytest.fixture
def combined(tmp_path: Path) -> Any:
    classes = (DistillAccuracy, DistillMacroF1, DistillFailureRate)
    return evaluate.combine([one(cache_dir=str(tmp_path)) for one in classes])


def test_combined_metrics_agree_with_hand_counts(combined: Any) -> None:
    scores = combined.compute(predictions=ANSWERS, references=REFERENCES)
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["failure_rate"] == pytest.approx(1 / 5)
    assert scores["accuracy_low"] < scores["accuracy"] < scores["accuracy_high"]


def test_macro_f1_equals_scikit_learn(combined: Any) -> None:
    from sklearn.metrics import f1_score

    scores = combined.compute(predictions=["a", "b", "b", "c", "a"], references=["a", "b", "c", "c", "b"])
    expected = f1_score(["a", "b", "c", "c", "b"], ["a", "b", "b", "c", "a"], average="macro")
    assert scores["macro_f1"] == pytest.approx(expected)
