"""What stages need to know of *how* they are run: machine settings, where relative paths start, the purse.

Handed through `Context.runtime`; nothing here takes part in identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill.engine.stage import Context
from distill.filters import FilterSpec
from distill.records.runtime import RuntimeConfig
from distill.tasks.config import TaskConfig
from distill.teachers import Budget
from distill.teachers.config import TeacherConfig


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How a run is run.

    `base_dir` is the config file's directory; `teachers` carry limits, prices, keys' names and the rest that
    does not shape answers; `filters` are what the smoke test tries the first answers on; `budget_usd` is the
    flag's budget, else the config's, and `purse` is what it is the budget of: all that is bought to answer these
    rows with these teachers, by whichever stage, resumption or worker. In a rehearsal stand-ins answer.
    `task` is what gold is checked against while rows are read; it shapes no row.
    """

    runtime: RuntimeConfig
    base_dir: Path
    teachers: tuple[TeacherConfig, ...]
    filters: tuple[FilterSpec, ...] = ()
    budget_usd: float | None = None
    purse: str = ""
    is_rehearsal: bool = False
    task: TaskConfig | None = None

    @property
    def budget(self) -> Budget:
        """What this run may still spend, as every stage shares it."""
        return Budget(self.budget_usd, self.purse)

    @property
    def teacher(self) -> TeacherConfig:
        """The reference teacher: the one that students are compared with."""
        return self.teachers[0]


def surroundings_of(context: Context) -> Surroundings:
    """Return the surroundings a stage was started with.

    Raises:
        TypeError: the runner was given something else.
    """
    if not isinstance(context.runtime, Surroundings):
        raise TypeError(f"stages run with Surroundings, not {type(context.runtime).__name__}")
    return context.runtime
