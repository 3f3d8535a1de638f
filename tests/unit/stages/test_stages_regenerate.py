"""Rejected answers asked for again: what is asked, how often, who judges the new answer, and what is written of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.filter_context import make_filter_context
from fakes.judge_server import Served, chat_server

from distill.engine.parquet import read_table, write_rows
from distill.engine.stage import Summary
from distill.errors import BudgetExceededError, UsageError
from distill.filters import FILTERS, FilterSpec, RegenerateConfig, complain
from distill.filters.regenerate import _WORDS
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.records.runtime import RuntimeConfig
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import completion_row
from distill.stages.chain_services import check_regenerate
from distill.stages.examples_table import write_examples
from distill.stages.filter import FilterStageConfig, run_filter
from distill.stages.heldout_traces import write_traces
from distill.tasks.config import TaskConfig
from distill.teachers.config import TeacherConfig

TASK = TaskConfig(output="label", labels=("refund", "card"), system="Route it.", user="{{ text }}")
CHAIN = ("parseable", "finished", "not_refusal")
FIRST = ("refund", "refund and card", "card", "I'm sorry, but I can't help with that.", "card", "no idea")
Run = Callable[..., tuple[Summary, Path]]


def teacher(url: str = "http://127.0.0.1:9/v1", **options: object) -> TeacherConfig:
    return TeacherConfig.model_validate(
        {"model": "gpt-5", "base_url": url, "price": {"input": 10, "output": 10}, "max_output_tokens": 16,
         "terms": {"training_on_outputs": "allowed"}, **options}
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for name in ("split", "generate", "output", "work"):
        (tmp_path / name).mkdir()
    golds = ("refund", "card") * 3
    examples = [
        Example(f"e{i}", f"question {i}", {"text": f"question {i}"}, gold=golds[i],
                teacher_output="no idea" if i == 5 else None)
        for i in range(6)
    ]  # fmt: skip
    write_examples(examples[:4], tmp_path / "split" / "train.parquet")
    write_examples(examples[4:], tmp_path / "split" / "validation.parquet")
    write_traces(["a sealed row"], tmp_path / "split")
    rows = [
        completion_row(Completion(e.id, 0, f"key-{e.id}", text, "stop", "gpt-5", "gpt-5", Usage(9, 0, 1), 0.01, 1.0))
        for e, text in zip(examples, FIRST, strict=True)
    ]
    write_rows(rows, COMPLETIONS, tmp_path / "generate" / "completions.parquet")

    def start(
        url: str,
        *filters: object,
        budget_usd: float | None = None,
        options: dict[str, Any] | None = None,
        **more: object,
    ) -> tuple[Summary, Path]:
        runtime = RuntimeConfig(journal=f"sqlite:///{tmp_path}/journal.db", device="cpu")
        context = make_filter_context(tmp_path, teacher(url, **more), runtime, budget_usd, purse="run")
        specs = tuple(FilterSpec.model_validate(value) for value in filters or CHAIN)
        config = FilterStageConfig(TASK, specs, regenerate=RegenerateConfig(**options or {}))
        return run_filter(config, context), tmp_path / "output"

    return start


def conversations(served: Served) -> list[list[tuple[str, str]]]:
    return [[(said["role"], said["content"]) for said in body["messages"]] for body in served.bodies]


def told(output: Path) -> dict[str, Any]:
    return json.loads((output / "regenerate.json").read_text(encoding="utf-8"))


def test_the_teacher_sees_its_answer_and_what_is_wrong_with_it(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        summary, output = run(served.url)
    first, second = sorted(conversations(served))
    assert first[:3] == [("system", "Route it."), ("user", "question 1"), ("assistant", "refund and card")]
    assert "cannot be used: it is not in the form that was asked for" in first[3][1]
    assert second[2] == ("assistant", FIRST[3])
    assert summary.rows_out == 5
    assert summary.cost_usd == pytest.approx(2 * 110 * 10 / 1e6)
    assert read_table(output / "kept.parquet").column("answer").to_pylist() == [
        "refund",
        "card",
        "card",
        "card",
        "card",
    ]


def test_what_was_bought_is_not_bought_again(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        _, output = run(served.url)
        tables = [(output / name).read_bytes() for name in ("kept.parquet", "rejected.parquet", "regenerated.parquet")]
        again, _ = run(served.url)
    assert (len(served.bodies), again.cost_usd) == (2, 0)
    assert tables == [
        (output / name).read_bytes() for name in ("kept.parquet", "rejected.parquet", "regenerated.parquet")
    ]


def test_an_answer_that_stays_bad_is_asked_for_so_often_and_then_rejected(run: Run) -> None:
    with chat_server(lambda _: "both") as served:
        summary, output = run(served.url, options={"max_attempts": 3})
    assert len(served.bodies) == 2 * 3
    assert max(len(said) for said in conversations(served)) == 2 + 3 * 2  # each complaint stays in sight
    assert summary.rows_out == 3
    rejected = read_table(output / "rejected.parquet")
    assert rejected.column("answer").to_pylist() == ["both", "both", "no idea"]
    assert rejected.column("cost_usd").to_pylist() == pytest.approx([0.01 + 3 * 0.0011] * 2 + [0.01])
    found = told(output)
    assert (found["asked_rows"], found["answers"], found["rescued"], found["usd_per_rescued"]) == (2, 6, 0, None)


def test_the_history_traces_each_row_to_the_answers_it_replaced(run: Run) -> None:
    said = iter(["both", "both", "card", "card"])
    with chat_server(lambda _: next(said)) as served:
        _, output = run(served.url)
    history = read_table(output / "regenerated.parquet").to_pylist()
    assert [(row["id"], row["attempt"], row["answer"]) for row in history] == [
        ("e1", 0, "refund and card"), ("e1", 1, "both"), ("e3", 0, FIRST[3]), ("e3", 1, "both"),
    ]  # fmt: skip
    assert [row["cost_usd"] for row in history] == pytest.approx([0.01, 0.0011] * 2)
    assert history[0]["key"] == "key-e1"
    kept = {row["id"]: row for row in read_table(output / "kept.parquet").to_pylist()}
    assert len({kept["e1"]["key"], *(row["key"] for row in history)}) == 5
    found = told(output)
    assert (found["rescued"], found["usd"]) == (2, pytest.approx(4 * 0.0011))
    assert found["usd_per_rescued"] == pytest.approx(2 * 0.0011)
    assert [(row["attempt"], row["asked"], row["rescued"]) for row in found["attempts"]] == [(1, 2, 0), (2, 2, 2)]
    assert found["by_reason"] == [{"filter": "parseable", "reason": "unknown_label", "asked": 2, "rescued": 2}]


def test_afresh_the_same_question_goes_out_warmer_and_as_another_sample(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        run(served.url, options={"how": "resample"}, temperature=0.0)
    assert [len(said) for said in conversations(served)] == [2, 2]
    assert {body["temperature"] for body in served.bodies} == {0.7}


def test_temperature_and_length_of_further_questions_can_be_set(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        run(served.url, options={"temperature": 0.3, "max_output_tokens": 99})
    assert {(body["temperature"], body["max_tokens"]) for body in served.bodies} == {(0.3, 99)}


def test_the_gold_answer_is_never_given_away(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        summary, _ = run(served.url, "parseable", "answer_agrees")
    assert not any("gold" in text or "not_gold" in text for said in conversations(served) for _, text in said)
    assert all(len(said) == 2 for said in conversations(served) if said[1][1] in ("question 2", "question 4"))
    assert summary.rows_out == 3  # e0 right at once, e1 and e3 mended; e2 and e4 stay wrong however often


def test_a_filter_that_compares_rows_judges_the_new_answers_too(run: Run) -> None:
    with chat_server(lambda text: "card" if "question 1" not in text else "refund") as served:
        _, output = run(served.url, *CHAIN, {"diversity": {"size": 4}})
    assert read_table(output / "kept.parquet").num_rows == 4
    assert set(read_table(output / "rejected.parquet").column("filter").to_pylist()) == {"parseable", "diversity"}
    assert len(served.bodies) == 2  # what diversity drops is not the answer's fault


def test_the_budget_stops_it_and_more_budget_goes_on(run: Run) -> None:
    with chat_server(lambda _: "card") as served:
        with pytest.raises(BudgetExceededError):
            run(served.url, budget_usd=0.0032)
        bought = len(served.bodies)
        summary, _ = run(served.url, budget_usd=1)
    assert (bought, len(served.bodies), summary.rows_out) == (1, 2, 5)


@pytest.mark.parametrize(
    ("provider", "chain", "words"),
    [("replay", CHAIN, "answers nothing"), ("openai", ("exact_duplicate",), "no filter")],
)
def test_what_can_bring_nothing_is_refused_before_any_spend(provider: str, chain: tuple[str, ...], words: str) -> None:
    specs = [FilterSpec.model_validate(name) for name in chain]
    check_regenerate(None, specs, (teacher(provider=provider),))
    with pytest.raises(UsageError, match=words):
        check_regenerate(RegenerateConfig(), specs, (teacher(provider=provider),))


def test_words_are_there_for_filters_that_blame_the_answer_and_know_no_gold() -> None:
    assert all(FILTERS[name].asks_again for name in _WORDS)
    knowing = {name for name, member in FILTERS.items() if "gold_json" in member.columns}
    assert knowing >= {"answer_agrees", "verifier"}
    assert all(complain(name, "a_reason", "seen") is None for name in knowing - {"judge"})  # it calibrates on gold only
    assert "seen" in (complain("schema_valid", "schema_invalid", "seen") or "")
