"""Filter: judge every teacher answer; kept and rejected rows are both written, with reasons."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import cast

import pyarrow as pa

from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table, write_table
from distill.engine.stage import Context, Stage, Summary
from distill.filters import FilterContext, FilterSpec, run_chain
from distill.records.json import Json
from distill.records.tables import CANDIDATES
from distill.stages.candidates import candidate_rows
from distill.stages.examples_table import read_examples
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Task


@dataclass(frozen=True, slots=True)
class FilterStageConfig:
    """The chain, in order."""

    task: TaskConfig
    filters: tuple[FilterSpec, ...]


def run_filter(config: object, context: Context) -> Summary:
    """Write kept.parquet, rejected.parquet and funnel.json.

    Raises:
        StoreError: an input table is damaged.
    """
    config = cast("FilterStageConfig", config)
    source = context.inputs["split"]
    examples = read_examples(source / "train.parquet") + read_examples(source / "validation.parquet")
    completions = cast(
        "list[dict[str, object]]", read_table(context.inputs["generate"] / "completions.parquet").to_pylist()
    )
    task = make_task(config.task)
    rows = candidate_rows(examples, completions, task)
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    hashes = json.loads((source / "heldout_hashes.json").read_text(encoding="utf-8"))
    filters = FilterContext(config.task, frozenset(hashes), lambda value, gold: is_gold(task, value, gold))
    result = run_chain(table, config.filters, filters)
    write_table(result.kept, context.output_dir / "kept.parquet")
    write_table(result.rejected, context.output_dir / "rejected.parquet")
    funnel = [asdict(step) for step in result.funnel]
    (context.output_dir / "funnel.json").write_text(json.dumps(funnel, indent=1, ensure_ascii=False), encoding="utf-8")
    facts: dict[str, Plain] = {"rejected": result.rejected.num_rows, "warnings": list(result.warnings)}
    return Summary(rows_in=table.num_rows, rows_out=result.kept.num_rows, facts=facts)


def is_gold(task: Task, value: Json, gold: Json) -> bool:
    """Tell whether a parsed answer is fully right; gold that does not parse agrees with nothing."""
    right = task.parse_gold(gold)
    return right.error_kind is None and task.score(value, right.value) >= 1.0


FILTER = Stage("filter", 1, run_filter)
