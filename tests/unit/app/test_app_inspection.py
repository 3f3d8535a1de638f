from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distill.app.inspection import TELLING, View, choose_columns, parse_where
from distill.errors import UsageError
from distill.records.tables import TABLES

TABLE = pa.table({"reason": ["refusal", "length", None], "sample": [0, 1, 2], "ok": [True, False, True]})


def ids(where: str) -> list[int]:
    return TABLE.filter(parse_where(where, TABLE.column_names)).column("sample").to_pylist()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("reason == 'refusal'", [0]),
        ("sample >= 1 and ok == true", [2]),
        ("sample == 0 or reason == 'length'", [0, 1]),
        ("not ok", [1]),
        ("reason in ['refusal', 'length']", [0, 1]),
        ("sample not in [0]", [1, 2]),
        ("reason == null", [2]),
        ("reason != None", [0, 1]),
    ],
)
def test_expression_selects_rows(where: str, expected: list[int]) -> None:
    assert ids(where) == expected


@pytest.mark.parametrize(
    "where", ["__import__('os')", "reason.upper() == 'A'", "sample ==", "[1]", "lambda: 1", "f'{1}'"]
)
def test_nothing_is_evaluated(where: str) -> None:
    with pytest.raises(UsageError, match="--where"):
        ids(where)


def test_unknown_column_lists_the_known() -> None:
    with pytest.raises(UsageError, match="reason, sample, ok"):
        ids("colour == 'red'")


@given(st.text(max_size=40))
@example("9223372036854775808")
def test_any_text_is_an_expression_or_a_usage_error(text: str) -> None:
    try:
        parse_where(text, TABLE.column_names)
    except UsageError:
        pass
    except (pa.ArrowException, TypeError, ValueError, MemoryError, RecursionError) as error:
        raise AssertionError(f"{text!r} raised {error!r}") from error


def view_of(table, *rows):
    return View(table, list(rows), len(rows), len(rows))


def test_the_telling_columns_leave_out_what_is_empty_or_as_usual():
    row = {"id": "a", "teacher": 0, "sample": 0, "text": "hello", "finish_reason": "stop", "error_kind": None,
           "model": "m", "output_tokens": 3, "cost_usd": 0.1}  # fmt: skip
    assert choose_columns(view_of("completions", row)) == ["id", "text", "output_tokens", "cost_usd"]
    odd = {**row, "sample": 1, "finish_reason": "length"}
    assert "finish_reason" in choose_columns(view_of("completions", row, odd))
    assert "sample" in choose_columns(view_of("completions", row, odd))


def test_a_group_of_one_is_not_shown():
    rows = [{"id": "a", "text": "x", "group": "a"}, {"id": "b", "text": "y", "group": "b"}]
    assert choose_columns(view_of("train", *rows)) == ["id", "text"]
    assert "group" in choose_columns(view_of("train", *rows, {"id": "c", "text": "z", "group": "a"}))


def test_a_table_that_nobody_knows_shows_all():
    assert choose_columns(view_of("mine", {"a": 1, "b": None})) == ["a"]
    assert choose_columns(view_of("mine")) == []


@pytest.mark.parametrize("table", sorted(TELLING))
def test_telling_columns_exist(table):
    schemas = {"pool": "examples", "train": "examples", "validation": "examples", "heldout": "examples",
               "kept": "candidates"}  # fmt: skip
    assert set(TELLING[table]) <= set(TABLES[schemas.get(table, table)].names)
