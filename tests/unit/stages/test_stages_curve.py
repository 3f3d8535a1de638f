"""A learning curve: nested parts in an order of their own, and a forecast that is a sentence or a reason."""

from __future__ import annotations

import pytest

from distill.app.curve import parse_fractions
from distill.errors import UsageError
from distill.records.training import Prompt, TrainingRow
from distill.stages.curve import describe_curve, order_nested

ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", "x"), "a") for i in range(40)]
SIZES = (250, 500, 1000, 2000, 4000)


def make_points(accuracies: list[float], n: int = 20_000) -> list[dict[str, float]]:
    return [
        {"fraction": size / 4000, "rows": size, "accuracy": value, "low": value - 0.01, "high": value + 0.01, "n": n}
        for size, value in zip(SIZES, accuracies, strict=True)
    ]


RISING = make_points([0.95 - 2.0 * size**-0.4 for size in SIZES])


def test_order_depends_on_ids_and_seed_alone():
    assert order_nested(ROWS, 1) == order_nested(list(reversed(ROWS)), 1)
    assert order_nested(ROWS, 1) != order_nested(ROWS, 2)
    assert {row.id for row in order_nested(ROWS[:20], 1)[:5]} <= {row.id for row in ROWS}


def test_part_of_fewer_rows_keeps_its_order_among_more():
    few, many = order_nested(ROWS[:20], 3), order_nested(ROWS, 3)
    known = {row.id for row in few}
    assert [row.id for row in many if row.id in known] == [row.id for row in few]


def test_forecast_says_gain_interval_price_and_ceiling():
    body = describe_curve(RISING, 4000, 0.00275)
    ahead = body["forecast"]
    assert body["reason"].startswith("+4,000 rows (USD 11.00) -> +")
    assert "ceiling 95%" in body["reason"]
    assert ahead["gain_low"] <= ahead["gain"] <= ahead["gain_high"]
    assert ahead["accuracy"] == pytest.approx(0.95 - 2.0 * 8000**-0.4, abs=0.005)
    assert body["fit"]["c"] == pytest.approx(0.4, abs=0.1)


def test_unknown_price_is_said_and_is_not_nothing():
    body = describe_curve(RISING, 4000, None)
    assert body["forecast"]["usd"] is None
    assert "price unknown" in body["reason"]


@pytest.mark.parametrize(
    ("points", "more", "why"),
    [
        (make_points([0.7, 0.8, 0.75, 0.85, 0.9]), 4000, "does not rise with every size"),
        (make_points([0.7, 0.75, 0.8, 0.85, 0.852], n=200), 4000, "cannot be told apart"),
        (RISING, 40_000, "more than 4x"),
        (RISING[1:], 4000, "5 sizes over 16x"),
    ],
)
def test_no_forecast_comes_with_its_reason(points, more: int, why: str):
    body = describe_curve(points, more, 0.001)
    assert (body["forecast"], body["fit"]) == (None, None)
    assert body["reason"].startswith("no forecast: ")
    assert why in body["reason"]


def test_fractions_are_sorted_and_told_once():
    assert parse_fractions("1,0.25,0.25") == (0.25, 1.0)


@pytest.mark.parametrize("text", ["0,1", "0.5,2", "half", ""])
def test_fractions_out_of_range_are_refused(text: str):
    with pytest.raises(UsageError, match="--fractions"):
        parse_fractions(text)
