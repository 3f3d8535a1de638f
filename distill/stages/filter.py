"""Filter: judge every teacher answer; kept and rejected rows are both written, with reasons."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import cast

from distill.engine.fingerprint import Plain
from distill.engine.parquet import write_tables
from distill.engine.shards import read_all
from distill.engine.spool import DiskSpool
from distill.engine.stage import Context, Stage, Summary
from distill.filters import FilterSpec, sift
from distill.records.tables import CANDIDATES, REJECTED
from distill.stages.candidate_shards import write_candidates
from distill.stages.chain_context import make_context
from distill.stages.chain_services import Spending, make_services
from distill.stages.heldout_traces import read_traces
from distill.stages.surroundings import surroundings_of
from distill.students.config import StudentConfig
from distill.tasks import make_task
from distill.tasks.config import TaskConfig


@dataclass(frozen=True, slots=True)
class FilterStageConfig:
    """The chain, in order; `student` is named only where a filter measures its loss."""

    task: TaskConfig
    filters: tuple[FilterSpec, ...]
    student: StudentConfig | None = None


def run_filter(config: object, context: Context) -> Summary:
    """Write kept.parquet, rejected.parquet and funnel.json.

    Raises:
        StoreError: an input table is damaged.
        TeacherError: a judge cannot be used.
        BudgetExceededError: the next call of a judge could pass the budget.
        DataError: what a filter guards does not hold.
    """
    config = cast("FilterStageConfig", config)
    source = context.inputs["split"]
    examples = [source / "train.parquet", source / "validation.parquet"]
    completions = context.inputs["generate"] / "completions.parquet"
    rows = write_candidates(examples, completions, make_task(config.task), context.work_dir / "candidates")
    rows_in = rows.num_rows
    surroundings = surroundings_of(context)
    spending = Spending(surroundings.budget)
    services = make_services(surroundings, spending, context.work_dir, config.student)
    sifted = sift(
        rows,
        config.filters,
        make_context(config.task, read_traces(source), services),
        lambda step: DiskSpool(context.work_dir / "rejected" / f"{step:03}.arrow", REJECTED),
    )
    write_tables(read_all(rows), CANDIDATES, context.output_dir / "kept.parquet")
    write_tables(sifted.read_rejected(), REJECTED, context.output_dir / "rejected.parquet")
    funnel = [asdict(step) for step in sifted.funnel]
    (context.output_dir / "funnel.json").write_text(json.dumps(funnel, indent=1, ensure_ascii=False), encoding="utf-8")
    if spending.ledgers:
        text = json.dumps(spending.ledgers, indent=1, sort_keys=True)
        (context.output_dir / "ledger.json").write_text(text, encoding="utf-8")
    facts: dict[str, Plain] = {"rejected": sifted.rejected_rows, "warnings": list(sifted.warnings)}
    return Summary(rows_in=rows_in, rows_out=rows.num_rows, cost_usd=spending.usd, facts=facts)


FILTER = Stage("filter", 4, run_filter)
