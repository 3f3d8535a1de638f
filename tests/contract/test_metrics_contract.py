"""What every metric of the table must keep: order-free, bounded, with an interval, no NaN, failures are wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from distill.metrics import METRICS, default_metrics
from distill.records.prediction import Prediction

ALL = sorted(METRICS)
QUALITY = [name for name in ALL if METRICS[name].higher_is_better]
RATES = [name for name in ALL if name.endswith("_rate") and not METRICS[name].higher_is_better]
ERRORS = ("unparseable", "refusal", "timeout", "truncated", "schema_invalid", "empty", "unknown_label")


def make_row(i: int, kind: str, rng: np.random.Generator, repeat: int = 0) -> Prediction:
    """A row on which every metric has something to say: texts with numbers, objects or label sets."""
    wanted = {
        "text": f"the card {i % 4} arrives in {i % 3} days",
        "json": {"city": f"c{i % 3}", "n": i % 2, "tags": ["a", "b"]},
        "labels": sorted({f"l{i % 3}", "l1"}),
    }[kind]
    wrong = {"text": f"no card {i % 2}", "json": {"city": "x", "n": 1}, "labels": ["l0"]}[kind]
    right = bool(rng.random() < 0.6)
    said = wanted if right else wrong
    return Prediction(
        id=f"r{i:03d}", system="student", repeat=repeat, text=said if isinstance(said, str) else json.dumps(said),
        parsed=said, correct=said == wanted, score=1.0 if said == wanted else 0.3, confidence=float(rng.random()),
        error_kind=None, latency_ms=float(rng.gamma(2, 5)), input_tokens=int(rng.integers(5, 50)),
        output_tokens=int(rng.integers(1, 9)), cost_usd=float(rng.random() / 1000), reference=wanted,
        judged=float(rng.choice([0.0, 0.5, 1.0])), reference_logprob=-float(rng.random() * 5), reference_tokens=4,
    )  # fmt: skip


def make_rows(n: int = 60, kind: str = "text", seed: int = 0, repeats: int = 10) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    return [make_row(i, kind, rng, repeat) for i in range(n) for repeat in range(repeats)]


def rows_for(name: str) -> list[Prediction]:
    kind = (
        "labels" if name.startswith("multilabel") else "json" if name.startswith(("field", "exact_object")) else "text"
    )
    return make_rows(kind=kind, repeats=10 if name.startswith("pass_at") else 1)


def fail(row: Prediction) -> Prediction:
    return replace(row, parsed=None, correct=False, score=0.0, error_kind="timeout", text="", judged=0.0)


@pytest.mark.parametrize("name", ALL)
def test_the_interval_holds_the_estimate_and_the_unit_bounds_both(name) -> None:
    score = METRICS[name].aggregate(rows_for(name))
    assert score.metric == name
    assert score.n == 60
    assert score.value is not None
    assert score.low is not None
    assert score.low <= score.value
    if score.high is None:
        assert METRICS[name].kind == "quantile"
        assert score.note == "60 rows do not bound this quantile on both sides"
        return
    assert score.value <= score.high
    if score.unit in ("fraction", "points"):
        assert 0 <= score.low <= score.high <= (1 if score.unit == "fraction" else 100)


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_rows_does_not_matter(name) -> None:
    rows = rows_for(name)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    assert METRICS[name].aggregate(shuffled).value == pytest.approx(METRICS[name].aggregate(rows).value)


@pytest.mark.parametrize("name", QUALITY)
def test_a_failure_is_never_better_than_the_right_answer_it_replaces(name) -> None:
    rows = [replace(row, judged=1.0) if row.correct else row for row in rows_for(name)]
    before = METRICS[name].aggregate(rows).value
    for place in [i for i, row in enumerate(rows) if row.correct][:3]:
        after = METRICS[name].aggregate([fail(r) if i == place else r for i, r in enumerate(rows)]).value
        assert after <= before + 1e-12
    assert METRICS[name].aggregate([fail(row) for row in rows]).value == 0


@pytest.mark.parametrize("name", RATES)
def test_a_failure_rate_counts_its_own_kind(name) -> None:
    kind = name.removesuffix("_rate")
    rows = make_rows(repeats=1)
    failed = [replace(fail(r), error_kind=ERRORS[i % len(ERRORS)]) if i < 14 else r for i, r in enumerate(rows)]
    assert METRICS[name].aggregate(failed).value == pytest.approx((14 if kind == "failure" else 2) / 60)


@pytest.mark.parametrize(
    ("name", "field"),
    [("mean_score", "score"), ("brier", "confidence"), ("p95_latency_ms", "latency_ms"),
     ("cost_per_1k_usd", "cost_usd"), ("judge_win_rate", "judged"), ("perplexity", "reference_logprob"),
     ("ece", "confidence")],
)  # fmt: skip
def test_a_nan_is_refused_and_said(name, field) -> None:
    rows = make_rows(repeats=1)
    rows[7] = replace(rows[7], **{field: float("nan")})
    score = METRICS[name].aggregate(rows)
    assert score.value is None
    assert "not numbers" in score.note


@pytest.mark.parametrize("name", ALL)
def test_no_rows_give_no_number(name) -> None:
    score = METRICS[name].aggregate([])
    assert (score.value, score.low, score.high, score.n) == (None, None, None, 0)


@pytest.mark.parametrize("name", ALL)
def test_the_same_rows_twice_as_repeats_count_once(name) -> None:
    if name.startswith("pass_at"):
        pytest.skip("repeats are its point")
    rows = rows_for(name)
    assert METRICS[name].aggregate(rows + [replace(r, repeat=1) for r in rows]).n == 60


@pytest.mark.parametrize("name", [n for n in ALL if METRICS[n].kind == "corpus"])
def test_a_metric_of_the_whole_set_is_a_function_of_its_sums(name) -> None:
    rows, other = rows_for(name), rows_for(name)[:40]
    (first, second), combine = METRICS[name].vectors([rows, other])
    assert first.shape[1] == second.shape[1]
    assert combine(first.sum(axis=0, keepdims=True))[0] == pytest.approx(METRICS[name].aggregate(rows).value)


@pytest.mark.parametrize("name", ALL)
def test_a_single_item_has_a_number_or_none(name) -> None:
    for row in rows_for(name)[:5]:
        value = METRICS[name].item(row)
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize("output", ["label", "labels", "json", "answer", "text"])
def test_the_defaults_of_every_output_kind_are_listed_metrics(output) -> None:
    names: Sequence[str] = default_metrics(output)
    assert set(names) <= set(METRICS)
    assert len(set(names)) == len(names)
