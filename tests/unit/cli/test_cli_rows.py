"""Tables on a terminal: never wider than it is, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from distill.cli.rows import draw_rows, share_width

LONG = "I broke the water bucket of my dehumidifier by falling, and I would like to have another one. " * 3


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_long_text_is_cut_and_short_columns_stay_whole(width):
    rows = [{"id": f"t{n}", "text": LONG, "reason": "refusal", "cost_usd": 0.000123456} for n in range(3)]
    lines = draw_rows(rows, list(rows[0]), width)
    assert len(lines) == 4
    assert max(map(cell_len, lines)) == width
    assert all("…" in line and "refusal" in line and "0.0001235" in line for line in lines[1:])


def test_what_fits_is_not_cut():
    assert draw_rows([{"id": "a", "n": 5}, {"id": "bb", "n": None}], ["id", "n"], 80) == ["id  n", "a   5", "bb"]


def test_columns_that_cannot_stand_side_by_side_become_a_block_a_row():
    rows = [{f"column_{n}": LONG for n in range(12)}]
    lines = draw_rows(rows, list(rows[0]), 60)
    assert max(map(cell_len, lines)) <= 60
    shown = "".join(line[11:] for line in lines[1:] if "column_0" in line or line.startswith(" "))
    assert "dehumidifier" in shown


def test_wide_characters_take_the_room_that_they_need():
    lines = draw_rows([{"id": "a", "text": "退款" * 60}], ["id", "text"], 50)
    assert cell_len(lines[1]) <= 50


def test_maps_nulls_and_control_characters_are_one_line_of_text():
    rows = [{"slices": [("language", "en"), ("channel", "chat")], "gold": None, "text": "two\nlines\x1b[31m"}]
    assert draw_rows(rows, ["slices", "gold", "text"], 80)[1].split("  ")[0] == "language=en channel=chat"
    assert draw_rows(rows, ["text"], 80)[1] == "two lines\\x1b[31m"


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 250))
def test_widths_fit_and_none_is_more_than_its_column_needs(natural, width):
    widths = share_width(natural, width)
    if widths is None:
        assert sum(min(wide, 8) for wide in natural) > width
    else:
        assert sum(widths) == min(sum(natural), width)
        assert all(got <= wide for got, wide in zip(widths, natural, strict=True))
