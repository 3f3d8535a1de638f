"""Candidates: the join of answers and examples, in memory and by buckets on disk."""

from __future__ import annotations

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
        "m",
        Usage(1, 0, 1),
        0.1,
        1.0,
        error_kind=error_kind,
    )


def make_answers(*answers: Completion) -> pa.Table:
    return pa.Table.from_pylist([completion_row(one) for one in answers], schema=COMPLETIONS)


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
    answers = make_answers(*(answer(name, sample, "card") for name in reversed(names) for sample in (1, 0, 2)))
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
