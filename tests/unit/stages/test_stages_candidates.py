"""Candidates: the join of answers and examples, in memory and by buckets on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from distill.engine.parquet import write_table
from distill.engine.shards import read_all
from distill.errors import StoreError
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.records.tables import CANDIDATES, COMPLETIONS
from distill.stages.candidate_shards import write_candidates
from distill.stages.candidates import completion_row, join_candidates
from distill.stages.examples_table import make_table
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

TASK = make_task(TaskConfig(output="label", labels=("refund", "card"), user="{{ text }}"))


def answer(identity: str, sample: int, text: str, error_kind: str | None = None) -> Completion:
    return Completion(
        identity,
        sample,
        f"{identity}-{sample}",
        text,
        "stop",
        "m",
        "m-2026",
        Usage(1, 0, 1),
        0.1,
        1.0,
        error_kind=error_kind,
    )


def make_answers(*answers: Completion, teachers: Sequence[int] | None = None) -> pa.Table:
    numbers = teachers or [0] * len(answers)
    rows = [completion_row(one, number) for one, number in zip(answers, numbers, strict=True)]
    return pa.Table.from_pylist(rows, schema=COMPLETIONS)


def count_agreement(*said: str, teachers: Sequence[int] = (0, 1, 2)) -> list[tuple[int, int, int, float]]:
    """Return per answer to one example: teacher, teachers asked, teachers agreeing, margin."""
    answers = [answer("a", i, text, None if text else "timeout") for i, text in enumerate(said)]
    joined = join_candidates(make_examples("a"), make_answers(*answers, teachers=teachers), TASK)
    rows = joined.select(["teacher", "teachers", "agreeing", "margin"]).to_pylist()
    return [tuple(row.values()) for row in rows]


def test_each_answer_tells_how_many_teachers_were_asked_and_agree() -> None:
    rows = count_agreement("refund", "card", " Refund", teachers=(2, 0, 1))
    assert rows == [(0, 3, 1, 1 / 3), (1, 3, 2, 1 / 3), (2, 3, 2, 1 / 3)]


def test_a_teacher_that_failed_was_asked_and_votes_for_nothing() -> None:
    assert count_agreement("card", "", "rose") == [(0, 3, 1, 1 / 3), (1, 3, 0, 1 / 3), (2, 3, 0, 1 / 3)]


def test_the_samples_of_a_teacher_are_one_vote() -> None:
    rows = count_agreement("card", "card", "refund", "refund", teachers=(0, 0, 0, 1))
    assert rows == [(0, 2, 1, 0.0)] * 3 + [(1, 2, 1, 0.0)]


def test_a_lone_teacher_agrees_with_itself_where_it_answered() -> None:
    assert count_agreement("card", teachers=(0,)) == [(0, 1, 1, 1.0)]
    assert count_agreement("", teachers=(0,)) == [(0, 1, 0, 0.0)]


def test_a_row_names_the_snapshot_that_answered() -> None:
    rows = join_candidates(make_examples("a"), make_answers(answer("a", 0, "card")), TASK).to_pylist()
    assert (rows[0]["model"], rows[0]["model_served"], rows[0]["key"]) == ("m", "m-2026", "a-0")


def make_examples(*names: str) -> pa.Table:
    return make_table([Example(name, f"text {name}", {"text": name}, gold="card", group="g") for name in names])


def test_rows_come_in_the_order_of_id_and_sample_with_their_own_example() -> None:
    answers = make_answers(
        answer("b", 1, "card"), answer("é", 0, "card"), answer("b", 0, "card"), answer("Z", 0, "card")
    )
    joined = join_candidates(make_examples("é", "b", "Z", "unasked"), answers, TASK)
    assert joined.schema.equals(CANDIDATES, check_metadata=True)
    rows = joined.select(["id", "sample", "text", "key", "gold_json"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (name, sample, f"text {name}", f"{name}-{sample}", '"card"')
        for name, sample in sorted([("b", 1), ("é", 0), ("b", 0), ("Z", 0)])
    ]


@pytest.mark.parametrize(
    ("text", "failed", "parsed"),
    [
        (" Card ", None, ('"card"', "card", None, "case")),
        ("rose", None, (None, None, "unknown_label", None)),
        ("card", "timeout", (None, None, "call_failed", None)),
    ],
)
def test_answers_are_parsed_and_failed_calls_are_not(
    text: str, failed: str | None, parsed: tuple[str | None, ...]
) -> None:
    joined = join_candidates(make_examples("a"), make_answers(answer("a", 0, text, failed)), TASK)
    (row,) = joined.select(["value_json", "target", "parse_error", "repaired"]).to_pylist()
    assert tuple(row.values()) == parsed


def test_an_answer_without_its_example_is_named() -> None:
    with pytest.raises(StoreError, match="'stray'"):
        join_candidates(make_examples("a"), make_answers(answer("stray", 0, "card")), TASK)


@pytest.mark.parametrize("bucket_rows", [1, 3, 1000])
def test_buckets_on_disk_give_the_rows_of_one_join(bucket_rows: int, tmp_path: Path) -> None:
    names = [f"n{i * 7919 % 100:02}" for i in range(40)]
    answers = make_answers(
        *(answer(name, sample, "card" if sample else "refund") for name in reversed(names) for sample in (1, 0, 2))
    )
    examples = make_examples(*names)
    write_table(examples.slice(0, 25), tmp_path / "one.parquet")
    write_table(examples.slice(25), tmp_path / "two.parquet")
    write_table(answers, tmp_path / "answers.parquet")
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    shards = write_candidates(paths, tmp_path / "answers.parquet", TASK, tmp_path / "work", bucket_rows)
    assert pa.concat_tables(read_all(shards)).equals(join_candidates(examples, answers, TASK))
    assert list((tmp_path / "work").rglob("*.arrow")) == [], "buckets are removed once they are read"


def test_no_answers_at_all_are_no_rows(tmp_path: Path) -> None:
    write_table(make_examples("a"), tmp_path / "examples.parquet")
    write_table(make_answers(), tmp_path / "answers.parquet")
    shards = write_candidates([tmp_path / "examples.parquet"], tmp_path / "answers.parquet", TASK, tmp_path / "work")
    assert (shards.num_rows, shards.read(0).schema) == (0, CANDIDATES)
