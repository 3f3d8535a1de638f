"""What the stage joins for the chain: the task's parser and scorer, what is known of the held-out set, services."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.engine.parquet import read_table
from distill.filters import FilterContext, Heldout, Reread, Services
from distill.records.json import Json, dump_canonical
from distill.similarity import LOCAL, Joiner, sets_from_hashes
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Task


@dataclass(frozen=True, slots=True)
class TaskReader:
    """A task's parser and scorer as filters use them; it travels to other processes as its config."""

    config: TaskConfig
    task: Task

    def reread(self, text: str) -> Reread:
        """Parse an answer that a filter mended."""
        parsed = self.task.parse(text)
        if parsed.error_kind is not None:
            return Reread(None, None, parsed.error_kind)
        return Reread(dump_canonical(parsed.value), self.task.render(parsed.value), None)

    def agrees(self, value: Json, gold: Json) -> bool:
        """Tell whether a parsed answer is fully right; gold that does not parse agrees with nothing."""
        right = self.task.parse_gold(gold)
        return right.error_kind is None and self.task.score(value, right.value) >= 1.0


def make_context(
    task: TaskConfig, heldout: Heldout | None = None, services: Services | None = None, joiner: Joiner = LOCAL
) -> FilterContext:
    """Return the context of a chain for a task."""
    reader = TaskReader(task, make_task(task))
    return FilterContext(task, heldout or Heldout(), reader.agrees, reader.reread, services or Services(), joiner)


def read_heldout(source: Path) -> Heldout:
    """Read what the split let out of the sealed rows.

    Raises:
        StoreError: a table is damaged.
    """
    runs = frozenset(json.loads((source / "heldout_hashes.json").read_text(encoding="utf-8")))
    words = vectors = None
    if (source / "heldout_words.parquet").is_file():
        column = read_table(source / "heldout_words.parquet").column("words").combine_chunks()
        words = sets_from_hashes(np.asarray(column.value_lengths(), np.int64), np.asarray(column.flatten(), np.uint64))
    if (source / "heldout_vectors.parquet").is_file():
        table: Any = read_table(source / "heldout_vectors.parquet").column("vector").combine_chunks()
        vectors = np.asarray(table.flatten(), np.float32).reshape(len(table), -1)
    return Heldout(runs, words, vectors)
