from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import pytest

from distill.errors import UsageError
from distill.metrics.hf import FORMS, DistillAccuracy, DistillFailureRate, DistillMacroF1, hf_metric

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


EXAMPLES: dict[str, dict[str, Any]] = {
    "text": {"predictions": ["a b 1", "b", ""], "references": ["a b 1", "a", "a"]},
    "json": {"predictions": ['{"a": 1}', '["x"]', "{"], "references": ['{"a": 1}', '["y"]', '{"a": 2}']},
    "confidence": {"predictions": ["a", "b"], "references": ["a", "a"], "confidences": [0.9, 0.2]},
    "samples": {"predictions": [["a", *["b"] * 9], ["b"] * 10], "references": ["a", "a"]},
}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_every_metric_of_answers_is_an_evaluate_module(name: str, tmp_path: Path) -> None:
    result = hf_metric(name, cache_dir=str(tmp_path)).compute(**EXAMPLES[FORMS[name]])
    assert result is not None
    assert result[name] is not None
    assert set(result) == {name, f"{name}_low", f"{name}_high"}


def test_a_module_gives_what_the_pipeline_gives(tmp_path: Path) -> None:
    result = hf_metric("field_f1", cache_dir=str(tmp_path)).compute(**EXAMPLES["json"])
    assert result == {"field_f1": pytest.approx(2 * 1 / (3 + 3)), "field_f1_low": None, "field_f1_high": None}


def test_a_metric_of_time_is_refused_with_those_that_can_be_had() -> None:
    with pytest.raises(UsageError, match="accuracy"):
        hf_metric("p95_latency_ms")
