"""CSV as people have it: with commas or tabs, and what is said where it has something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.errors import DataError
from distill.sources.csv import read_csv


def _read(path: Path, text: str) -> list[dict[str, object] | None]:
    path.write_text(text, encoding="utf-8")
    return [None if row.values is None else dict(row.values) for row in read_csv(path, path.name)]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize("header", ["question;reply", "id|text|gold"])
def test_another_separator_is_named_with_what_to_do(name: str, header: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"fields seem to be separated by .*write a .csv with commas or a .tsv with tabs"
    ):
        _read(tmp_path / name, f"{header}\na;b\n")


@pytest.mark.parametrize("header", ["text", '"one, column"', "why?;", "a;;b"])
def test_a_single_column_may_be_all_there_is(header: str, tmp_path: Path) -> None:
    ((row),) = _read(tmp_path / "rows.csv", f"{header}\nx\n")
    assert row is not None
    assert list(row.values()) == ["x"]


def test_quoted_fields_may_hold_separators_and_lines(tmp_path: Path) -> None:
    assert _read(tmp_path / "rows.csv", 'text,n\n"a; b, c\nd",2\n') == [{"text": "a; b, c\nd", "n": "2"}]
