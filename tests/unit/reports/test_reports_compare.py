from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from distill.reports import RunSummary, comparison_csv, render_comparison, runs_table
from distill.reports.compare import pair_latency

RIGHT = {f"e{i}": i % 4 != 0 for i in range(200)}
A = RunSummary("t", "a", "2026-01-01T00:00:00", "T", "S", "hold", 0.75, config={"gate": {"margin": 1}}, correct=RIGHT)
B = RunSummary(
    "<script>", "b", "2026-02-01T00:00:00", "T", "S", "promote", 1.0, 0.02, config={"gate": {"margin": 2}},
    correct=dict.fromkeys(RIGHT, True),
)  # fmt: skip


def test_config_differences_come_first_and_text_is_escaped() -> None:
    page = render_comparison([B, A])
    assert page.index("gate.<wbr>margin") < page.index("Quality, cost, latency")
    assert "<script>" not in page


def test_the_same_examples_are_compared_in_pairs_and_others_are_not() -> None:
    assert '+25.0<span class="under">(+18.9 to +31.1)</span>' in render_comparison([A, B])
    other = RunSummary("t", "c", "2026-03-01", "T", "S", "hold", correct={"x": True, "y": False})
    assert "other examples" in render_comparison([A, other])


def test_rows_are_oldest_first_and_unknown_is_empty_in_csv() -> None:
    assert [row["id"] for row in runs_table([B, A])] == ["a", "b"]
    rows = list(csv.DictReader(io.StringIO(comparison_csv([B, A]))))
    assert rows[0]["per_1k_usd"] == ""


def test_latency_is_paired_over_the_examples_that_both_timed() -> None:
    slow = replace(A, latencies_ms={"e1": 10.0, "e2": 12.0, "e3": 11.0, "x": 99.0})
    quick = replace(B, latencies_ms={"e1": 4.0, "e2": 7.0, "e3": 5.0})
    found = pair_latency(slow, quick)
    assert found is not None
    assert found.mean == pytest.approx(-17 / 3)
    assert found.low < found.mean < found.high < 0
    assert pair_latency(A, quick) is None


def test_the_files_beside_the_page_carry_the_paired_differences() -> None:
    first, second = runs_table([A, B])
    assert first["quality_to_first"] is None
    assert second["quality_to_first"] == 0.25
    assert second["quality_to_first_low"] < 0.25 < second["quality_to_first_high"]
    assert "config" not in second
    assert "correct" not in second


def test_the_trend_says_each_runs_value_in_words_and_unknown_where_there_is_none() -> None:
    page = render_comparison([A, B])
    assert '<title id="trend-t">Runs over time</title>' in page
    assert "USD per 1,000: 2026-01-01 a unknown, 2026-02-01 b $0.0200" in page
