"""What the stage joins for the chain: the task's parser and scorer, what is known of the held-out set, services."""

from __future__ import annotations

from dataclasses import dataclass

from distill.filters import FilterContext, Heldout, Reread, Services
from distill.records.json import Json, dump_canonical
from distill.similarity import LOCAL, Joiner
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
