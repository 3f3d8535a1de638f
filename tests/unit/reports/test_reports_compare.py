from __future__ import annotations

import csv
import io

from distill.reports import RunSummary, comparison_csv, render_comparison, runs_table

RIGHT = {f"e{i}": i % 4 != 0 for i in range(200)}
A = RunSummary("t", "a", "2026-01-01T00:00:00", "T", "S", "hold", 0.75, config={"gate": {"margin": 1}}, correct=RIGHT)
B = RunSummary(
    "<script>", "b", "2026-02-01T00:00:00", "T", "S", "promote", 1.0, 0.02, config={"gate": {"margin": 2}},
    correct=dict.fromkeys(RIGHT, True),
)  # fmt: skip


def test_config_differences_come_first_and_text_is_escaped() -> None:
    page = render_comparison([B, A])
    assert page.index("gate.margin") < page.index("Quality, cost, latency")
    assert "<script>" not in page


def test_the_same_examples_are_compared_in_pairs_and_others_are_not() -> None:
    assert "+25.0 (+18.9 to +31.1)" in render_comparison([A, B])
    other = RunSummary("t", "c", "2026-03-01", "T", "S", "hold", correct={"x": True, "y": False})
    assert "other examples" in render_comparison([A, other])


def test_rows_are_oldest_first_and_unknown_is_empty_in_csv() -> None:
    assert [row["id"] for row in runs_table([B, A])] == ["a", "b"]
    rows = list(csv.DictReader(io.StringIO(comparison_csv([B, A]))))
    assert rows[0]["per_1k_usd"] == ""
