from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distill.stages.looks import count_look


def test_a_look_is_counted_once_per_key(tmp_path: Path) -> None:
    assert [count_look(tmp_path, "seal", key) for key in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]


def test_each_heldout_set_has_its_own_count(tmp_path: Path) -> None:
    assert [count_look(tmp_path, seal, "a" + seal) for seal in ("one", "two")] == [1, 1]


def test_looks_at_the_same_time_are_all_counted(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda number: count_look(tmp_path, "seal", f"k{number}"), range(40)))
    assert sorted(looks) == list(range(1, 41))


def test_a_damaged_line_still_counts_as_a_look(tmp_path: Path) -> None:
    count_look(tmp_path, "seal", "a")
    with (tmp_path / "looks" / "seal.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"key": \n')
    assert count_look(tmp_path, "seal", "b") == 3
