"""Generate: buy one answer per row, teacher and sample, through the journal, within the budget.

The first rows are bought, parsed and filtered before the rest is (smoke before spend).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

import pyarrow as pa

from distill.engine.fingerprint import Plain
from distill.engine.parquet import write_rows
from distill.engine.stage import Context, Stage, Summary
from distill.filters import run_chain
from distill.records.completion import TeacherRequest
from distill.records.example import Example
from distill.records.json import Json
from distill.records.tables import COMPLETIONS
from distill.stages.candidates import completion_row, join_candidates
from distill.stages.chain_context import make_context
from distill.stages.examples_table import make_table, read_examples
from distill.stages.surroundings import Surroundings, surroundings_of
from distill.stages.teacher_identity import TeacherIdentity
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import answer_schema, render_teacher
from distill.teachers import Budget, Order, Progress, Standing, Teacher, TeacherConfig, build_requests, open_panel
from distill.teachers.ledger import add_ledgers
from distill.teachers.smoke import Outcome, check_prompt, judge


@dataclass(frozen=True, slots=True)
class GenerateConfig:
    """What is asked, and who answers; the first is the reference teacher."""

    task: TaskConfig
    teachers: tuple[TeacherIdentity, ...]


def run_generate(config: object, context: Context) -> Summary:
    """Buy the answers for train and validation; write completions.parquet and ledger.json.

    Raises:
        BudgetExceededError: the next call could pass the budget; what was bought is kept.
        TeacherError: a teacher cannot be used, or failed the smoke test.
    """
    config = cast("GenerateConfig", config)
    surroundings = surroundings_of(context)
    source = context.inputs["split"]
    examples = read_examples(source / "train.parquet") + read_examples(source / "validation.parquet")
    budget = surroundings.budget
    with open_panel(
        surroundings.teachers, surroundings.runtime, task_labels=config.task.labels, resolve=surroundings.base_dir
    ) as panel:
        standings = panel.check()
        orders = [
            make_orders(examples if number == 0 else unanswered(examples), config.task, teacher.config)
            for number, teacher in enumerate(panel.teachers)
        ]
        for teacher, mine in zip(panel.teachers, orders, strict=True):
            try_first_rows(teacher, examples, mine, config.task, surroundings, budget)
        bought = panel.buy(orders, budget=budget, on_progress=tell_progress(context))
        write_ledger(context, panel.teachers, standings)
        ledger = panel.ledger
    rows = [completion_row(one, number) for number, completions in enumerate(bought) for one in completions]
    write_rows(rows, COMPLETIONS, context.output_dir / "completions.parquet")
    failed = sum(row["error_kind"] is not None for row in rows)
    facts: dict[str, Plain] = {"failed": failed, "calls": ledger.calls, "journal_hits": ledger.journal_hits}
    return Summary(rows_in=len(examples), rows_out=len(rows) - failed, cost_usd=ledger.usd, facts=facts)


def unanswered(examples: Sequence[Example]) -> list[Example]:
    """Return the examples without their recorded answers, which are the reference teacher's."""
    return [replace(example, teacher_output=None) for example in examples]


def make_requests(examples: Sequence[Example], task: TaskConfig, teacher: TeacherConfig) -> list[TeacherRequest]:
    """Return what a teacher is asked of each example.

    Raises:
        DataError: a prompt cannot be rendered.
    """
    conversations = [render_teacher(task, example.columns) for example in examples]
    return build_requests(conversations, teacher, schema=answer_schema(task))


def make_orders(examples: Sequence[Example], task: TaskConfig, teacher: TeacherConfig) -> list[Order]:
    """Render the prompts and make one order per example and sample; a recorded answer is taken as it is.

    Raises:
        DataError: a prompt cannot be rendered.
    """
    orders: list[Order] = []
    for example, request in zip(examples, make_requests(examples, task, teacher), strict=True):
        samples = 1 if example.teacher_output is not None else teacher.samples
        orders += [Order(example.id, sample, request, example.teacher_output) for sample in range(samples)]
    return orders


def try_first_rows(
    teacher: Teacher,
    examples: Sequence[Example],
    orders: Sequence[Order],
    task_config: TaskConfig,
    surroundings: Surroundings,
    budget: Budget,
) -> None:
    """Look at the prompt's labels; buy the first rows, parse and filter them, and stop when too few are accepted.

    Raises:
        TeacherError: of kind `smoke`, with the reasons, samples and unknown labels.
    """
    smoke = teacher.config.smoke
    if task_config.labels and orders and orders[0].recorded is None:
        prompt = "\n".join(message.content for message in orders[0].request.messages)
        check_prompt(prompt, task_config.labels, smoke)
    first_ids = {example.id for example in examples[: smoke.rows]}
    chosen = [order for order in orders if order.id in first_ids and order.sample == 0]
    if len(chosen) < smoke.rows:
        return
    bought = [completion_row(c) for c in teacher.buy(chosen, budget=budget, urgent=True)]
    table = join_candidates(
        make_table(examples[: smoke.rows]), pa.Table.from_pylist(bought, schema=COMPLETIONS), make_task(task_config)
    )
    row_wise = [spec for spec in surroundings.filters if spec.is_cheap]
    result = run_chain(table, row_wise, make_context(task_config))
    rejected = {row["id"]: row["reason"] for row in cast("list[dict[str, str]]", result.rejected.to_pylist())}
    rows = cast("list[dict[str, object]]", table.to_pylist())
    who = f" of {teacher.config.model!r}" if len(surroundings.teachers) > 1 else ""
    judge([_outcome(row, rejected) for row in rows], smoke, labels=task_config.labels, who=who)


def _outcome(row: Mapping[str, object], rejected: Mapping[str, str]) -> Outcome:
    identity, answer = cast("str", row["id"]), cast("str", row["answer"])
    unknown = answer if row["parse_error"] == "unknown_label" else None
    return Outcome(identity, answer, rejected.get(identity, ""), unknown)


def tell_progress(context: Context) -> Callable[[Progress], None]:
    """Return what tells the run how far a purchase is."""

    def tell(progress: Progress) -> None:
        note = f"{progress.journal_hits} from the journal, {progress.errors} errors, ${progress.usd:.4f}"
        context.progress(progress.done, progress.total, note)

    return tell


def write_ledger(context: Context, teachers: Sequence[Teacher], standings: Sequence[Standing]) -> None:
    """Write what was spent by kind, at which price, and how each teacher stands, to ledger.json.

    `ledger` adds up over `teachers`; price, standing and model at the top are the reference teacher's.
    """
    described = [describe_purchase(*pair) for pair in zip(teachers, standings, strict=True)]
    body: dict[str, Json] = {
        **described[0],
        "ledger": add_ledgers(teacher.ledger for teacher in teachers).to_json(),
        "is_rehearsal": any(teacher.is_rehearsal for teacher in teachers),
        "teachers": described,
    }
    text = json.dumps(body, indent=1, sort_keys=True, default=str)
    (context.output_dir / "ledger.json").write_text(text, encoding="utf-8")


def describe_purchase(teacher: Teacher, standing: Standing) -> dict[str, Json]:
    """Return one teacher's entry of ledger.json."""
    return {
        "ledger": teacher.ledger.to_json(),
        "price": cast("dict[str, Json]", teacher.price._asdict()),
        "standing": cast("dict[str, Json]", asdict(standing)),
        "is_rehearsal": teacher.is_rehearsal,
        "model": teacher.config.model,
    }


GENERATE = Stage("generate", 3, run_generate)
