"""Poisoned data: files that unfold without end, rows that lie, and answers that leak into the held-out set."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.errors import DataError
from distill.sources import lines, parquet, read_source
from distill.sources.config import DataConfig


def _read(path: Path, **fields: object):
    config = DataConfig.model_validate({"source": path.name, "heldout": {"fraction": 0.2}} | fields)
    return read_source(config, ["text"], path.parent)


def test_a_gzip_bomb_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "_RATIO_FREE_BYTES", 2**20)
    monkeypatch.setattr(lines, "MAX_RATIO", 100)
    with gzip.open(tmp_path / "rows.jsonl.gz", "wb") as file:
        file.write(b'{"text": "x"}\n' * 400_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        _read(tmp_path / "rows.jsonl.gz")


def test_a_line_without_end_is_one_bad_line(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n' * 60 + '{"text": "' + "x" * 5000 + '"}\n', encoding="utf-8")
    found = _read(tmp_path / "rows.jsonl", max_malformed_fraction=0.1)
    assert (len(found.examples), [bad.where for bad in found.malformed]) == (60, ["rows.jsonl:61"])


def test_a_parquet_file_that_claims_any_number_of_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_FREE_ROWS", 1000)
    pq.write_table(pa.table({"text": pa.nulls(200_000, pa.string())}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="no honest table"):
        _read(tmp_path / "rows.parquet")


def test_a_parquet_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_FREE_BYTES", 1000)
    monkeypatch.setattr(parquet, "MAX_RATIO", 20)
    table = pa.table({"text": [f"{n:02d}" + "x" * 100_000 for n in range(50)]})
    pq.write_table(table, tmp_path / "rows.parquet", compression="zstd")
    with pytest.raises(DataError, match="no honest table"):
        _read(tmp_path / "rows.parquet")


@pytest.mark.parametrize(
    "row",
    ['{"text": NaN}', '{"text": 1e999}', '{"text": "a", "text": "b"}', '{"text": "\\ud800"}', "[" * 5000, '{"text": {}',
     '{"text": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_a_row_whose_meaning_is_in_doubt_is_left_out_and_counted(tmp_path, row):
    good = "\n".join(json.dumps({"text": f"row {n}"}) for n in range(50))
    (tmp_path / "rows.jsonl").write_text(f"{good}\n{row}\n", encoding="utf-8")
    found = _read(tmp_path / "rows.jsonl", max_malformed_fraction=0.1)
    assert (len(found.examples), len(found.malformed)) == (50, 1)


def test_too_many_bad_rows_stop_the_run(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n' * 5 + "{\n" * 5, encoding="utf-8")
    with pytest.raises(DataError):
        _read(tmp_path / "rows.jsonl")


def test_two_rows_with_one_id_are_not_both_believed(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "text": "a"}\n{"id": "1", "text": "b"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="'1'"):
        _read(tmp_path / "rows.jsonl", id="id")


def test_no_archive_and_no_pickle_is_ever_unpacked(repo_root):
    import ast

    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "tarfile", "zipfile", "joblib", "xml"}
    for path in (repo_root / "distill").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & forbidden, path
