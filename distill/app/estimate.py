"""What the teacher will be asked, in calls, tokens and dollars, less what the journal already holds. Sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from distill.app.composition import Composition
from distill.records.example import Example
from distill.sources import read_source
from distill.stages.ingest import heldout_source
from distill.tasks.prompts import input_columns, render_teacher
from distill.teachers import build_requests, estimate


@dataclass(frozen=True, slots=True)
class Spending:
    """Teacher calls to come; dollars are None when the price is unknown."""

    calls: int
    journal_hits: int
    input_tokens: int
    usd_low: float | None
    usd_high: float | None
    seconds: float
    heldout_rows: int
    warnings: tuple[str, ...]


def estimate_spending(composition: Composition) -> Spending:
    """Estimate what the teacher would be asked, minus what the journal already holds.

    Raises:
        DataError: a source cannot be read, or a prompt cannot be rendered.
    """
    config = composition.config
    columns = input_columns(config.task)
    pool = read_source(config.data, columns, composition.base_dir).examples
    heldout: list[Example] = []
    if config.data.heldout.source is not None:
        heldout = read_source(heldout_source(config.data), columns, composition.base_dir).examples
    wanted = [example for example in pool + heldout if example.teacher_output is None]
    schema: Any = config.task.schema_ if config.task.output == "json" else None
    conversations = [render_teacher(config.task, example.columns) for example in wanted]
    found = estimate(
        build_requests(conversations, config.teacher, schema=schema), config.teacher, runtime=composition.runtime
    )
    share = config.data.heldout.fraction or 0.0
    size = config.data.heldout.size or round(share * len(pool))
    return Spending(
        calls=found.calls,
        journal_hits=found.journal_hits,
        input_tokens=found.input_tokens,
        usd_low=found.usd_low,
        usd_high=found.usd_high,
        seconds=found.seconds,
        heldout_rows=len(heldout) or size,
        warnings=found.warnings,
    )
