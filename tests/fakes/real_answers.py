"""Real answers of real models as candidate rows: finRAG's nine models, and banking77's frontier answers."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from fakes.candidates import judge, make_candidates

from distill.filters import FilterContext, FilterSpec, run_chain
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import completion_row, join_candidates
from distill.stages.examples_table import make_table
from distill.tasks import make_task
from distill.tasks.config import TaskConfig

CHAIN = ("parseable", "finished", "not_refusal", "empty", "error_text", "repetition", "truncated")


def make_rows(inputs: Mapping[str, str], answers: Mapping[str, str], task: TaskConfig, gold: Mapping[str, Any]) -> list:
    examples = [Example(name, text, {"input": text}, gold=gold.get(name)) for name, text in inputs.items()]
    completions = [
        Completion(name, 0, name, text, "stop", "m", "m", Usage(), 0.0, 1.0) for name, text in answers.items()
    ]
    answers_table = pa.Table.from_pylist([completion_row(one) for one in completions], schema=COMPLETIONS)
    return join_candidates(make_table(examples), answers_table, make_task(task)).to_pylist()


def list_unknown_labels(shared_data: Path) -> tuple[Counter[str], Counter[str]]:
    """Return the answers outside the 77 labels: what `label_known` dropped, and what a plain look-up finds."""
    folder = shared_data / "banking77"
    labels = tuple(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    read = [json.loads(line) for line in (folder / "frontier500.jsonl").read_text(encoding="utf-8").splitlines()]
    task = TaskConfig(output="label", labels=labels, user="{{ input }}")
    answers = {row["id"]: row["teacher"] for row in read}
    rows = make_rows({row["id"]: row["input"] for row in read}, answers, task, {})
    verdicts = judge("label_known", rows, FilterContext(task))
    dropped = Counter(str(row["answer"]) for row, verdict in zip(rows, verdicts, strict=True) if not verdict.keep)
    wrong = Counter(answer for answer in answers.values() if answer not in labels)
    return dropped, wrong


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
