"""Candidate tables for tests: good rows by default, each field overridable."""

from __future__ import annotations

import json

import pyarrow as pa

from distill.filters import FILTERS, FilterContext, Rows
from distill.records.tables import CANDIDATES
from distill.records.verdict import Verdict
from distill.tasks.config import TaskConfig

LABEL_TASK = TaskConfig(output="label", labels=("refund", "card", "other"), user="{{ input }}")
TEXT_TASK = TaskConfig(output="text", user="{{ input }}")


def candidate(identity: str, text: str, answer: str = "refund", **fields: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(CANDIDATES.names)
    row |= {
        "id": identity,
        "teacher": 0,
        "sample": 0,
        "text": text,
        "columns_json": json.dumps({"input": text}),
        "slices": [],
        "answer": answer,
        "value_json": json.dumps(answer),
        "target": answer,
        "finish_reason": "stop",
        "model": "m",
        "output_tokens": 1,
        "cost_usd": 0.001,
        "key": f"key-{identity}",
    }
    return row | fields


def make_candidates(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=CANDIDATES)


def judge(
    name: str, rows: list[dict[str, object]] | pa.Table, context: FilterContext | None = None, **options: object
) -> list[Verdict]:
    member = FILTERS[name]
    table = rows if isinstance(rows, pa.Table) else make_candidates(rows)
    config = member.config_type(**options)
    return list(member.judge(Rows(table), config, context or FilterContext(LABEL_TASK)).verdicts)


def judge_answer(name: str, answer: str, task: TaskConfig = TEXT_TASK, **fields: object) -> Verdict:
    return judge(name, [candidate("a", "a question", answer, **fields)], FilterContext(task))[0]
