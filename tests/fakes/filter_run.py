"""A whole run of the filter stage over spoilt tickets: inputs in no order, a chain in which most find something."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fakes import planted
from fakes.filter_context import make_filter_context

from distill.engine.parquet import write_rows
from distill.engine.stage import Summary
from distill.filters import FilterSpec
from distill.records.completion import Completion, Usage
from distill.records.example import Example
from distill.records.runtime import RuntimeConfig
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import completion_row
from distill.stages.examples_table import write_examples
from distill.stages.filter import FilterStageConfig, run_filter
from distill.stages.heldout_traces import write_traces
from distill.teachers.config import TeacherConfig

CHAIN = (
    "error_text",
    "not_refusal",
    "schema_repairable",
    "finished",
    {"pii": {"action": "mask"}},
    "exact_duplicate",
    "repetition",
    {"self_consistency": {"min_share": 0.5}},
    {"near_duplicate": {"threshold": 0.8}},
    {"contamination": {"methods": ["runs", "minhash"]}},
    {"diversity": {"size": 500}},
    "distribution",
)


def make_inputs(folder: Path) -> None:
    """Write tickets as examples in no order, with one to three answers each, some of them spoilt."""
    draw = random.Random(11)
    tickets = planted.read_tickets()
    texts = [ticket.text for ticket in tickets[:900]]
    for place in range(0, 900, 30):
        texts[place] = f"{texts[place + 1]} thanks" if place % 60 else texts[place + 1].upper()
        texts[place + 2] += " Write to jo.doe@example.org, please."
    examples = [
        Example(f"t{draw.randrange(10**9):09}", text, {"text": text, "n": place / 7}, slices={"b": "1", "a": "é"})
        for place, text in enumerate(texts)
    ]
    for name in ("split", "generate"):
        (folder / name).mkdir()
    write_examples(examples[:800], folder / "split" / "train.parquet")
    write_examples(examples[800:], folder / "split" / "validation.parquet")
    write_traces([*texts[5:300:50], *(ticket.text for ticket in tickets[900:950])], folder / "split")
    rows = [
        completion_row(answer(example, tickets[place], sample, draw))
        for place, example in enumerate(examples)
        for sample in range(1 + place % 3)
    ]
    write_rows(rows, COMPLETIONS, folder / "generate" / "completions.parquet")
    (folder / "generate" / "ledger.json").write_text('{"ledger": {"usd": 0.5}}', encoding="utf-8")


def answer(example: Example, ticket: planted.Ticket, sample: int, draw: random.Random) -> Completion:
    said, spoilt = json.dumps(ticket.answer), draw.randrange(20)
    spoils: dict[int, Callable[[], str]] = {
        0: lambda: draw.choice(planted.ERRORS),
        1: lambda: draw.choice(planted.REFUSALS),
        2: lambda: said[:-9],
        3: lambda: repr(ticket.answer),
        4: lambda: json.dumps({**ticket.answer, "urgency": "high"}),
        5: lambda: f"```json\n{said}\n```",
    }
    text = spoils.get(spoilt, lambda: said)()
    cost = draw.random() / 1000
    failed = "timeout" if spoilt == 6 else None
    finish = "length" if spoilt == 7 else "stop"
    return Completion(
        example.id,
        sample,
        f"k{draw.random()}",
        "" if failed else text,
        finish,
        "m",
        "m",
        Usage(9, 0, 1),
        cost,
        1.0,
        failed,
    )


def run(folder: Path, engine: Literal["local", "ray"] = "local") -> tuple[Summary, Path]:
    make_inputs(folder)
    for name in ("output", "work"):
        (folder / name).mkdir()
    teacher = TeacherConfig(provider="replay", model="m")
    context = make_filter_context(folder, teacher, RuntimeConfig(device="cpu", engine=engine))
    specs = tuple(FilterSpec.model_validate(value) for value in CHAIN)
    return run_filter(FilterStageConfig(planted.TASKS["json"], specs), context), folder / "output"
