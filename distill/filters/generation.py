"""`generation`: drops rows that a distilled student wrote, or that are copies of copies, unless they are allowed.

A model trained on its own kind's output forgets the tails (Shumailov et al. 2024, doi:10.1038/s41586-024-07566-y), so
student output is never training data unless it is labelled so and the config allows its generation.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import Field

from distill.filters.base import RowFilter
from distill.filters.rows import Rows
from distill.filters.screens import Mask, find, is_given
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class GenerationConfig(Frozen):
    """How far from people a row may be."""

    column: str = "generation"
    """Column that counts: 0 or absent for a person's input, 1 for one a model wrote, 2 for one written from that."""
    max_generation: int = Field(default=0, ge=0)
    """Largest generation that is trained on."""
    author_column: str | None = "answered_by"
    """Column that says who answered; `student` in it marks a served student's own output."""
    student_models: tuple[str, ...] = ("distill/",)
    """Beginnings of model names that are students; answers of such a teacher are dropped."""


def _generation(config: GenerationConfig, columns_json: str | None, model: str | None) -> Verdict:
    columns: dict[str, Any] = json.loads(columns_json or "{}")
    counted = columns.get(config.column, 0)
    try:
        generation = int(counted or 0)
    except (TypeError, ValueError):
        return Verdict(False, "generation_unknown", f"{config.column} is {counted!r:.80}")
    if generation > config.max_generation:
        return Verdict(False, "generation", f"{generation}")
    author = columns.get(config.author_column) if config.author_column is not None else None
    written = author == "student" or (model or "").startswith(config.student_models)
    if written and generation == 0:
        return Verdict(False, "student_output", str(author if author == "student" else model))
    return KEEP


def _suspects(config: GenerationConfig, rows: Rows) -> Mask:
    """Return the rows whose columns may hold one of the two names (escaped or not), or that a student's name begins."""
    names = [config.column] + ([config.author_column] if config.author_column is not None else [])
    named = find(rows, "columns_json", "|".join([*map(re.escape, names), r"\\"]))
    return (
        named
        | ~is_given(rows, "model")
        | find(rows, "model", f"^(?:{'|'.join(map(re.escape, config.student_models))})")
    )


GENERATION = RowFilter(
    "generation",
    1,
    ("columns_json", "model"),
    _generation,
    GenerationConfig,
    asks_again=False,
    may_drop_none=True,
    screen=_suspects,
)
