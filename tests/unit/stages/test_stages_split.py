from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.engine.stage import Context
from distill.errors import DataError
from distill.filters import hash_runs
from distill.records.example import Example
from distill.sources.config import HeldoutConfig
from distill.stages.examples_table import read_examples, write_examples
from distill.stages.leaks import Audit, remove_leaks
from distill.stages.split import (
    SplitConfig,
    assign_components,
    remove_duplicates,
    run_split,
    seal_digest,
    take_part,
)

CONFIG = SplitConfig(HeldoutConfig(fraction=0.3), 0.1, 0.8, by_time=False, seed=0)


def example(number: int, text: str | None = None, **fields: object) -> Example:
    text = text or f"alpha{number} beta{number} gamma{number}"
    row = Example(f"e{number:05}", text, {"input": text}, gold="ab"[number % 2], content_hash=f"h{number}")
    return replace(row, **fields)  # type: ignore[arg-type]


def write_pool(context: Context, pool: list[Example], heldout: list[Example] | None = None) -> None:
    write_examples(pool, context.inputs["examples"] / "pool.parquet")
    if heldout is not None:
        write_examples(heldout, context.inputs["examples"] / "heldout.parquet")


def read_parts(context: Context) -> tuple[list[Example], list[Example], list[Example]]:
    out = context.output_dir
    names = ("open/train.parquet", "open/validation.parquet", "sealed/heldout.parquet")
    train, validation, heldout = (read_examples(out / name) for name in names)
    return train, validation, heldout


def test_parts_are_disjoint_and_together_the_pool(split_context: Context) -> None:
    pool = [example(i) for i in range(200)]
    write_pool(split_context, pool)
    run_split(CONFIG, split_context)
    parts = read_parts(split_context)
    assert Counter(e.id for part in parts for e in part) == Counter(e.id for e in pool)
    assert all(parts)


def test_groups_and_near_copies_stay_whole(split_context: Context) -> None:
    pool = [example(i, group=f"g{i // 4}") for i in range(160)]
    words = [" ".join(f"w{i}x{k}" for k in range(12)) for i in range(40)]
    pool += [example(200 + i, f"{words[i // 2]} {'again' if i % 2 else ''}") for i in range(80)]
    write_pool(split_context, pool)
    run_split(CONFIG, split_context)
    place = {e.id: index for index, part in enumerate(read_parts(split_context)) for e in part}
    assert all(len({place[f"e{4 * g + k:05}"] for k in range(4)}) == 1 for g in range(40))
    assert all(place[f"e{200 + 2 * i:05}"] == place[f"e{201 + 2 * i:05}"] for i in range(40))


def test_same_rows_in_another_order_are_split_alike(split_context: Context, tmp_path: Path) -> None:
    pool = [example(i) for i in range(120)]
    write_pool(split_context, pool)
    run_split(CONFIG, split_context)
    first = read_parts(split_context)
    write_pool(split_context, pool[::-1])
    again = replace(split_context, output_dir=tmp_path / "again")
    again.output_dir.mkdir()
    run_split(CONFIG, again)
    assert read_parts(again) == first


def test_leaks_leave_train_and_never_the_heldout_part(split_context: Context) -> None:
    heldout = [example(900 + i, f"held{i} out{i} row{i} of{i} test{i}") for i in range(29)]
    heldout.append(example(999, "grouped row", group="user7"))
    copies = [example(i, heldout[i].text.upper() + "!") for i in range(5)]
    near = [example(10 + i, heldout[10 + i].text + " more") for i in range(5)]
    pool = [*copies, *near, example(20, group="user7"), *(example(i) for i in range(30, 130))]
    write_pool(split_context, pool, heldout)
    run_split(CONFIG, split_context)
    train, validation, sealed = read_parts(split_context)
    audit = json.loads((split_context.output_dir / "open" / "audit.json").read_text())
    assert {e.id for e in train + validation} == {f"e{i:05}" for i in range(30, 130)}
    assert {e.id for e in sealed} == {e.id for e in heldout}
    assert (audit["leaks_removed_from_train"], audit["overlap_exact"], audit["overlap_normalised"]) == (11, 0, 5)


def test_open_part_holds_hashes_of_the_heldout_runs_and_none_of_its_text(split_context: Context) -> None:
    write_pool(split_context, [example(i) for i in range(100)])
    run_split(CONFIG, split_context)
    *_, sealed = read_parts(split_context)
    hashes = set(json.loads((split_context.output_dir / "open" / "heldout_hashes.json").read_text()))
    assert hashes == {run for e in sealed for run in hash_runs(e.text)}
    opened = b"".join(path.read_bytes() for path in (split_context.output_dir / "open").iterdir())
    assert not any(e.text.encode() in opened or e.id.encode() in opened for e in sealed)


def test_seal_changes_when_a_row_changes_and_not_with_order() -> None:
    rows = [example(i) for i in range(5)]
    seal = seal_digest(rows)
    assert seal_digest(rows[::-1]) == seal
    assert seal_digest(rows[:-1]) != seal
    assert seal_digest([*rows[:-1], replace(rows[-1], content_hash="other")]) != seal


def test_newest_rows_are_held_out_by_time(split_context: Context) -> None:
    write_pool(split_context, [example(i, time=f"2026-01-01T00:{i // 60:02}:{i % 60:02}") for i in range(100)])
    run_split(replace(CONFIG, by_time=True), split_context)
    assert {e.id for e in read_parts(split_context)[2]} == {f"e{i:05}" for i in range(70, 100)}


def test_duplicates_with_another_gold_are_counted() -> None:
    audit = Audit()
    rows = [example(0, "Same text"), example(1, "same TEXT!"), example(2, "same text"), example(3, "other")]
    assert [e.id for e in remove_duplicates(rows, audit)] == ["e00000", "e00003"]
    assert (audit.duplicates_removed, audit.conflicting_gold) == (2, 1)


@pytest.mark.parametrize("heldout", [HeldoutConfig(size=100), HeldoutConfig(size=5)])
def test_parts_too_small_or_too_large_are_refused(split_context: Context, heldout: HeldoutConfig) -> None:
    write_pool(split_context, [example(i) for i in range(100)])
    with pytest.raises(DataError, match="held"):
        run_split(replace(CONFIG, heldout=heldout), split_context)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.floats(0.01, 0.99), st.integers(0, 1 << 16))
def test_take_part_draws_the_share_asked_for_of_single_rows(rows: int, fraction: float, seed: int) -> None:
    pool = [example(i, group=f"g{i}") for i in range(rows)]
    drawn, left = take_part(pool, fraction * rows, seed)
    assert abs(len(drawn) - fraction * rows) <= 1.0001
    assert sorted(e.id for e in drawn + left) == [e.id for e in pool]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=80), st.floats(0.05, 0.95), st.integers(0, 99))
def test_take_part_never_tears_a_group(groups: list[int], fraction: float, seed: int) -> None:
    pool = [example(i, group=f"g{g}") for i, g in enumerate(groups)]
    drawn, left = take_part(pool, fraction * len(pool), seed)
    assert not {e.group for e in drawn} & {e.group for e in left}
    assert take_part(pool[::-1], fraction * len(pool), seed)[0] == drawn[::-1]


def test_take_part_gives_each_stratum_its_share() -> None:
    pool = [example(i, group=f"g{i}", gold="rare" if i % 10 == 0 else "common") for i in range(1000)]
    drawn, _ = take_part(pool, 200, 3)
    assert abs(Counter(e.gold for e in drawn)["rare"] - 20) <= 1


def test_components_join_user_groups_and_near_copies() -> None:
    long = " ".join(f"w{i}" for i in range(12))
    rows = [example(0, long, group="u"), example(1, long + " more"), example(2, "other text", group="u"), example(3)]
    assert [e.group for e in assign_components(rows, 0.8)] == ["e00000", "e00000", "e00000", "e00003"]


def test_banking77_has_6_exact_25_normalised_and_489_near_overlaps(shared_data: Path) -> None:
    def read(name: str) -> list[Example]:
        lines = (shared_data / "banking77" / name).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return [Example(row["id"], row["input"], {"input": row["input"]}, row["gold"]) for row in rows]

    audit, train, test = Audit(), read("train.jsonl"), read("heldout.jsonl")
    left = remove_leaks(train, test, 0.8, audit, paraphrase_threshold=0.9)
    assert (audit.overlap_exact, audit.overlap_normalised) == (6, 25)
    assert audit.overlap_near == 489
    assert 100 < audit.overlap_paraphrase < 600
    assert "6 are also in the training data letter for letter, 25 after normalisation, 489 as near" in (
        audit.describe() or ""
    )
    assert len(left) == len(train) - audit.leaks_removed_from_train


def test_an_embargo_keeps_the_days_before_the_heldout_part_out_of_train(split_context: Context) -> None:
    write_pool(split_context, [example(i, time=f"2026-{1 + i // 28:02}-{1 + i % 28:02}") for i in range(112)])
    run_split(replace(CONFIG, by_time=True, embargo_days=10), split_context)
    train, validation, heldout = read_parts(split_context)
    audit = json.loads((split_context.output_dir / "open" / "audit.json").read_text())
    assert min(e.time or "" for e in heldout) == "2026-03-23"
    assert max(e.time or "" for e in train + validation) == "2026-03-12"
    assert audit["embargoed"] == 10


def test_an_embargo_needs_dates(split_context: Context) -> None:
    write_pool(split_context, [example(i, time=f"day {i}") for i in range(100)])
    with pytest.raises(DataError, match="ISO 8601"):
        run_split(replace(CONFIG, by_time=True, embargo_days=1), split_context)


def letters(number: int) -> str:
    return "".join("bcdfghjklm"[int(digit)] for digit in f"{number:03}")


def paraphrased_pool() -> tuple[list[Example], list[Example]]:
    """Ten pool rows are held-out rows in the plural: no word is the same, every stem is."""
    texts = [" ".join(f"{letters(i)}{end}" for end in ("ora", "ile", "uma", "ant", "ock")) for i in range(140)]
    heldout = [example(900 + i, texts[i]) for i in range(40)]
    plural = [example(i, " ".join(f"{word}s" for word in reversed(texts[i].split()))) for i in range(10)]
    return [*plural, *(example(i, texts[i]) for i in range(40, 140))], heldout


@pytest.mark.parametrize(("remove", "left"), [(False, 110), (True, 100)])
def test_suspected_paraphrases_are_counted_and_removed_where_told(
    split_context: Context, remove: bool, left: int
) -> None:
    write_pool(split_context, *paraphrased_pool())
    run_split(replace(CONFIG, paraphrase_threshold=0.9, remove_paraphrases=remove), split_context)
    train, validation, _ = read_parts(split_context)
    audit = json.loads((split_context.output_dir / "open" / "audit.json").read_text())
    assert audit["overlap_paraphrase"] == 10
    assert audit["overlap_near"] == 0
    assert len(train + validation) == left


def test_paraphrases_between_cut_parts_are_counted(split_context: Context) -> None:
    pool, heldout = paraphrased_pool()
    write_pool(split_context, pool + heldout)
    run_split(replace(CONFIG, paraphrase_threshold=0.9, remove_paraphrases=True), split_context)
    audit = json.loads((split_context.output_dir / "open" / "audit.json").read_text())
    assert audit["overlap_paraphrase"] == audit["leaks_removed_from_train"] > 0
