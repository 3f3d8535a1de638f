"""Rows of a single document or customer: a value, and no interval, for there is nothing to see a spread between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distill.metrics import METRICS


@pytest.mark.parametrize("name", ["accuracy", "input_tokens", "mean_score"])
def test_one_cluster_has_a_value_and_nothing_that_narrows_it(name: str, rows_of) -> None:
    rows = [
        replace(row, cluster="one", input_tokens=i, score=0.5 if i == 3 else row.score)
        for i, row in enumerate(rows_of([("a", "a"), ("b", "a")] * 10))
    ]
    score = METRICS[name].aggregate(rows)
    assert score.value is not None
    assert (score.low, score.high) in ((None, None), (0.0, 1.0))
