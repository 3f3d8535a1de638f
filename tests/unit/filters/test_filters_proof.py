"""Filters on defects with ground truth: planted into the bundled tickets, and real ones of real models."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.candidates import judge, make_candidates

from distill.filters import FilterContext, FilterSpec, run_chain
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.stages.candidates import candidate_rows, completion_row
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

CHAIN = ("parseable", "finished", "not_refusal", "empty", "error_text", "repetition", "truncated")
DEFECTS = {
    "empty": "  ",
    "not_refusal": "I'm sorry, but I cannot help with that.",
    "error_text": "<html><title>502 Bad Gateway</title>",
    "repetition": "card card card card card card card card",
    "pii": "The card 4111 1111 1111 1111 is blocked.",
}


def make_rows(inputs: Mapping[str, str], answers: Mapping[str, str], task: TaskConfig, gold: Mapping[str, Any]) -> list:
    examples = [Example(name, text, {"input": text}, gold=gold.get(name)) for name, text in inputs.items()]
    completions = [
        Completion(
            id=name,
            sample=0,
            key=name,
            text=text,
            finish_reason="stop",
            model="m",
            model_served="m",
            usage=Usage(),
            cost_usd=0.0,
            latency_ms=1.0,
        )
        for name, text in answers.items()
    ]
    return candidate_rows(examples, [completion_row(completion) for completion in completions], make_task(task))


@pytest.mark.parametrize("name", list(DEFECTS))
def test_planted_defects_are_found_and_clean_rows_stay(name: str, tickets: Path) -> None:
    lines = (tickets / "train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line) for line in lines]
    inputs = {f"t{i:05}": str(row.get("text") or row.get("input")) for i, row in enumerate(texts)}
    answers = dict.fromkeys(inputs, "card_arrival")
    planted = set(random.Random(5).sample(sorted(inputs), max(1, len(inputs) // 100)))
    answers |= dict.fromkeys(planted, DEFECTS[name])
    rows = make_rows(inputs, answers, TaskConfig(output="text", user="{{ input }}"), {})
    verdicts = judge(name, rows)
    dropped = {str(row["id"]) for row, verdict in zip(rows, verdicts, strict=True) if not verdict.keep}
    assert len(dropped & planted) >= 0.98 * len(planted)
    assert len(dropped - planted) <= 0.002 * len(rows)


def test_answers_outside_the_77_labels_are_all_found_and_listed(shared_data: Path) -> None:
    folder = shared_data / "banking77"
    labels = tuple(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    read = [json.loads(line) for line in (folder / "frontier500.jsonl").read_text(encoding="utf-8").splitlines()]
    task = TaskConfig(output="label", labels=labels, user="{{ input }}")
    answers = {row["id"]: row["teacher"] for row in read}
    rows = make_rows({row["id"]: row["input"] for row in read}, answers, task, {})
    verdicts = judge("label_known", rows, FilterContext(task))
    dropped = Counter(str(row["answer"]) for row, verdict in zip(rows, verdicts, strict=True) if not verdict.keep)
    wrong = Counter(answer for answer in answers.values() if answer not in labels and "\n" not in answer)
    assert wrong
    assert {answer: count for answer, count in dropped.items() if "\n" not in answer} == wrong


def read_revenue(value: str) -> list[tuple[float, str]] | None:
    """Return every answer's amount and all its other fields, or None where there is no amount."""
    try:
        found = [dict(answer) for answer in json.loads(value)["answers"]]
        amounts = [float(str(answer.pop("main_question")).replace(",", "")) for answer in found]
    except (KeyError, ValueError, TypeError):
        return None
    rest = [json.dumps({name: str(part) for name, part in sorted(answer.items())}) for answer in found]
    return sorted(zip(amounts, rest, strict=True))


def filter_model(shared_data: Path, model: str, *more: str) -> tuple[int, int, int, int]:
    folder = shared_data / "finrag_json"
    read: list[dict[str, Any]] = []
    for name in ("train", "heldout"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            read += [json.loads(line) for line in file]
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    task = TaskConfig(output="json", schema=schema, user="{{ input }}")
    answers = {r["id"]: r["teacher"] if model == "gpt-4o" else r["meta"]["teachers"][model] for r in read}
    gold = {r["id"]: r["gold"] for r in read}
    rows = make_rows({r["id"]: r["input"] for r in read}, answers, task, gold)
    context = FilterContext(task, agrees=lambda v, g: read_revenue(json.dumps(v)) == read_revenue(json.dumps(g)))
    right = {
        str(r["id"]) for r in rows if r["value_json"] and context.agrees(json.loads(r["value_json"]), gold[r["id"]])
    }
    kept = run_chain(make_candidates(rows), [FilterSpec(name=name) for name in (*CHAIN, *more)], context).kept
    kept_ids = set(kept.column("id").to_pylist())
    return len(rows), len(right), len(kept_ids), len(kept_ids & right)


def test_right_answers_in_fences_stay_and_strict_wrong_ones_are_not_preferred(shared_data: Path) -> None:
    rows, right, kept, kept_right = filter_model(shared_data, "gpt-4o")
    assert (rows, right) == (300, 296)
    assert kept_right >= 0.97 * right
    other_rows, other_right, other_kept, _ = filter_model(shared_data, "arctic")
    assert (other_rows, other_right) == (300, 26)
    assert other_kept / other_rows <= kept / rows


def test_with_gold_only_right_answers_stay(shared_data: Path) -> None:
    for model in ("gpt-4o", "arctic"):
        _, right, kept, kept_right = filter_model(shared_data, model, "answer_agrees")
        assert kept == kept_right >= 0.97 * right
