"""Rows in shards and spools, in memory and on disk: the same rows in the same order, and bytes that know no cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from distill.engine import parquet
from distill.engine.parquet import cut_tables, read_batches, read_table, write_table, write_tables
from distill.engine.shards import DiskShards, MemoryShards, Shards, read_all
from distill.engine.spool import DiskSpool, MemorySpool
from distill.errors import StoreError

SCHEMA = pa.schema(
    [
        pa.field("n", pa.int64(), metadata={"doc": "a number"}),
        pa.field("words", pa.list_(pa.string()), metadata={"doc": "words"}),
        pa.field("slices", pa.map_(pa.string(), pa.string())),
    ]
)


def make_table(rows: int) -> pa.Table:
    values = [{"n": i, "words": [str(i)] * (i % 3) or None, "slices": [("k", str(i))]} for i in range(rows)]
    return pa.Table.from_pylist(values, schema=SCHEMA)


@pytest.fixture(params=["memory", "disk"])
def shards(request: pytest.FixtureRequest, tmp_path: Path) -> Shards:
    if request.param == "memory":
        return MemoryShards(make_table(10), shard_rows=4)
    disk = DiskShards(tmp_path / "shards", SCHEMA, shard_rows=4)
    disk.extend(iter([make_table(10).slice(0, 7), make_table(10).slice(7)]))
    return disk


def numbers(shards: Shards) -> list[list[int]]:
    return [table.column("n").to_pylist() for table in read_all(shards, ["n"])]


def test_rows_are_cut_and_read_back_as_they_were(shards: Shards) -> None:
    assert numbers(shards) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    whole = pa.concat_tables(read_all(shards))
    assert whole.equals(make_table(10))
    assert whole.schema.equals(SCHEMA, check_metadata=True)


def test_rows_that_are_taken_out_twice_are_counted_among_those_left(shards: Shards) -> None:
    shards.keep(1, np.array([False, True, True, True]))
    shards.keep(1, np.array([True, False, True]))
    assert numbers(shards) == [[0, 1, 2, 3], [5, 7], [8, 9]]
    assert (shards.num_rows, len(shards)) == (8, 3)


def test_changed_rows_stand_in_the_place_of_those_that_were_left(shards: Shards) -> None:
    shards.keep(0, np.array([False, True, True, True]))
    changed = shards.read(0).set_column(0, SCHEMA.field("n"), pa.array([10, 20, 30]))
    shards.replace(0, changed)
    shards.keep(0, np.array([True, True, False]))
    assert numbers(shards) == [[10, 20], [4, 5, 6, 7], [8, 9]]


def test_a_reader_of_the_old_file_is_not_disturbed_by_changed_rows(tmp_path: Path) -> None:
    disk = DiskShards(tmp_path, SCHEMA)
    disk.extend([make_table(3)])
    (before,) = disk.parts
    disk.replace(0, make_table(2))
    assert read_table(before.path).num_rows == 3


def test_no_rows_make_one_empty_shard(tmp_path: Path) -> None:
    disk = DiskShards(tmp_path, SCHEMA)
    disk.extend([])
    memory = MemoryShards(SCHEMA.empty_table())
    assert [(len(one), one.num_rows, one.read(0).schema) for one in (disk, memory)] == [(1, 0, SCHEMA)] * 2


def test_what_an_earlier_attempt_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "000000.parquet").write_text("half a file", encoding="utf-8")
    DiskShards(tmp_path / "shards", SCHEMA)
    assert list((tmp_path / "shards").iterdir()) == []


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_spool_gives_its_rows_back_in_their_order(kind: str, tmp_path: Path) -> None:
    spool = MemorySpool() if kind == "memory" else DiskSpool(tmp_path / "deep" / "spool.arrow", SCHEMA)
    spool.append(make_table(10).slice(0, 3))
    spool.append(make_table(10).slice(3))
    assert pa.concat_tables(spool.read()).equals(make_table(10))


def test_an_unused_spool_on_disk_has_no_rows_and_can_be_removed(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool.arrow", SCHEMA)
    assert [table.num_rows for table in spool.read()] == [0]
    spool.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cuts", [[10], [1] * 10, [0, 6, 0, 4], [5, 5]])
def test_bytes_do_not_tell_how_the_rows_came(cuts: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 4)
    ends = np.cumsum(cuts).tolist()
    pieces = [make_table(10).slice(end - size, size) for end, size in zip(ends, cuts, strict=True)]
    write_tables(iter(pieces), SCHEMA, tmp_path / "pieces.parquet")
    write_table(make_table(10), tmp_path / "whole.parquet")
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert read_table(tmp_path / "pieces.parquet").equals(make_table(10))


def test_no_tables_at_all_make_an_empty_table(tmp_path: Path) -> None:
    write_tables([], SCHEMA, tmp_path / "none.parquet")
    assert read_table(tmp_path / "none.parquet").equals(SCHEMA.empty_table())


def test_pieces_are_of_equal_size_and_one_chunk_each() -> None:
    pieces = list(cut_tables([make_table(3), make_table(6)], 4))
    assert [(piece.num_rows, piece.column("n").num_chunks) for piece in pieces] == [(4, 1), (4, 1), (1, 1)]


def test_batches_hold_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    write_table(make_table(5), tmp_path / "t.parquet")
    (batch,) = read_batches(tmp_path / "t.parquet", ["slices", "n"])
    assert batch.column_names == ["slices", "n"]


@pytest.mark.parametrize(("content", "words"), [(None, "no such table"), (b"PAR1 no table PAR1", "damaged")])
def test_missing_and_damaged_tables_are_named(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(StoreError, match=words):
        list(read_batches(tmp_path / "t.parquet", ["n"]))
