"""The table of rules in a terminal: a ratio reads as a ratio, a difference as a difference."""

from __future__ import annotations

from rich.console import Console

from distill.cli.verdict import make_scores_table, print_gate

RULE = {
    "metric": "accuracy", "of": "cascade", "outcome": "pass", "policy": "block", "slice": None, "n": 960, "reason": "",
    "student": 0.99, "teacher": 1.0, "difference": -0.01, "low": -0.02, "high": 0.0, "max": None, "min": None,
}  # fmt: skip


def printed(**changes: object) -> str:
    console = Console(width=160, highlight=False)
    with console.capture() as capture:
        print_gate({"decision": "promote", "reason": "all pass", "rules": [{**RULE, **changes}]}, console)
    return capture.get()


def test_a_ratio_is_shown_as_a_factor_under_a_heading_that_says_so() -> None:
    text = printed(rule="ratio", metric="cost_per_1k_usd", difference=0.83, low=0.796, high=0.862, max=0.9)
    assert "difference or ratio" in text
    assert "x0.830 [x0.796, x0.862]" in text
    assert "at most x0.9" in text
    assert "+0.83" not in text


def test_a_ratio_that_is_unknown_leaves_its_cell_empty() -> None:
    assert "x" not in printed(rule="ratio", metric="cost", difference=None, low=None, high=None).split("\n")[1]


def test_a_difference_keeps_its_sign() -> None:
    text = printed(rule="non_inferiority", margin=0.02)
    assert "-0.010 [-0.020, +0.000]" in text
    assert "margin 0.02" in text


def test_scores_against_the_teachers_own_answers_are_called_agreement() -> None:
    systems = {"student": {"accuracy": {"value": 0.9}}}
    titles = [[column.header for column in make_scores_table({"reference": reference, "systems": systems}).columns]
              for reference in ("gold", "teacher")]  # fmt: skip
    assert titles == [["system", "accuracy"], ["system", "agreement"]]
