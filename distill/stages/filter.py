"""Filter: judge every teacher answer; kept and rejected rows are both written, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import write_tables
from distill.engine.shards import DiskShards, read_all
from distill.engine.spool import DiskSpool
from distill.engine.stage import Context, Stage, Summary
from distill.filters import FilterContext, FilterSpec, RegenerateConfig, Sifted, sift
from distill.records.tables import CANDIDATES, REJECTED
from distill.stages.candidate_shards import write_candidates
from distill.stages.chain_context import make_context
from distill.stages.chain_services import Spending, make_services
from distill.stages.engines import Engine, open_engine
from distill.stages.heldout_traces import read_traces
from distill.stages.json_files import write_json
from distill.stages.regenerate import make_regenerator
from distill.stages.rejected_answers import read_rejected_table
from distill.stages.surroundings import surroundings_of
from distill.stages.teacher_identity import TeacherIdentity
from distill.students.config import StudentConfig
from distill.tasks import make_task
from distill.tasks.config import TaskConfig


@dataclass(frozen=True, slots=True)
class FilterStageConfig:
    """The chain, in order; `student` is named only where a filter measures its loss, `teachers` where one is asked."""

    task: TaskConfig
    filters: tuple[FilterSpec, ...]
    student: StudentConfig | None = None
    regenerate: RegenerateConfig | None = None
    teachers: tuple[TeacherIdentity, ...] = ()


class _Outcome(NamedTuple):
    """What the chain made of all answers."""

    rows_in: int
    kept: DiskShards
    sifted: Sifted


def run_filter(config: object, context: Context) -> Summary:
    """Write kept.parquet, rejected.parquet and funnel.json; where answers were asked for again, also what came of it.

    Raises:
        StoreError: an input table is damaged.
        TeacherError: a judge or the teacher cannot be used.
        BudgetExceededError: the next call could pass the budget.
        DataError: what a filter guards does not hold.
        MissingExtraError: `runtime.engine` is ray, which is not installed.
    """
    config = cast("FilterStageConfig", config)
    source, output = context.inputs["split"], context.output_dir
    surroundings = surroundings_of(context)
    spending = Spending(surroundings.budget)
    services = make_services(surroundings, spending, context.work_dir, config.student)
    heldout = read_traces(source)
    examples = [source / "train.parquet", source / "validation.parquet"]
    with open_engine(surroundings.runtime.engine, config.task, heldout) as engine:
        known = make_context(config.task, heldout, services, engine.joiner)
        again = make_regenerator(
            config.regenerate, config.task, config.filters, surroundings, spending, examples, known
        )
        answers = first = context.inputs["generate"] / "completions.parquet"
        found = _judge(config, known, engine, examples, answers, context)
        while again is not None and again.ask(read_rejected_table(output / "rejected.parquet"), context):
            answers = again.rewrite(first, context.work_dir / "completions.parquet")
            found = _judge(config, known, engine, examples, answers, context)
    if again is not None:
        again.bill.write_history(output / "regenerated.parquet")
        brought = again.bill.describe(read_rejected_table(output / "rejected.parquet"))
        write_json(context, "regenerate.json", brought)
    write_json(context, "funnel.json", [asdict(step) for step in found.sifted.funnel])
    if spending.ledgers:
        write_json(context, "ledger.json", spending.ledgers)
    facts: dict[str, Plain] = {"rejected": found.sifted.rejected_rows, "warnings": list(found.sifted.warnings)}
    return Summary(rows_in=found.rows_in, rows_out=found.kept.num_rows, cost_usd=spending.usd, facts=facts)


def _judge(
    config: FilterStageConfig,
    known: FilterContext,
    engine: Engine,
    examples: Sequence[Path],
    answers: Path,
    context: Context,
) -> _Outcome:
    """Judge all answers and write kept and rejected rows."""
    rows = write_candidates(examples, answers, make_task(config.task), context.work_dir / "candidates")
    rows_in = rows.num_rows
    sifted = sift(
        rows,
        config.filters,
        known,
        lambda step: DiskSpool(context.work_dir / "rejected" / f"{step:03}.arrow", REJECTED),
        engine.judge,
    )
    write_tables(read_all(rows), CANDIDATES, context.output_dir / "kept.parquet")
    write_tables(sifted.read_rejected(), REJECTED, context.output_dir / "rejected.parquet")
    return _Outcome(rows_in, rows, sifted)


FILTER = Stage("filter", 5, run_filter)
