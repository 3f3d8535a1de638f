"""What a run is: the sections of a config file. Everything here is identity; `runtime` is not here."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from distill.costs.config import CostsConfig
from distill.filters import FilterSpec, RegenerateConfig
from distill.gates.config import GateConfig
from distill.metrics.config import EvaluateConfig
from distill.records.frozen import Frozen
from distill.sources.config import DataConfig
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig
from distill.teachers.config import TeacherConfig

DEFAULT_FILTERS = ("parseable", "finished", "not_refusal")


class PipelineConfig(Frozen):
    """A distillation: task, data, teacher, filters, student, evaluation, gate and costs."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the runs' directory: letters, digits, dot, dash, underscore."""
    task: TaskConfig
    """What is asked and what a valid answer is."""
    data: DataConfig
    """Rows and the meaning of their columns."""
    teacher: TeacherConfig | None = None
    """Who answers and how it is asked."""
    teachers: tuple[TeacherConfig, ...] = ()
    """In place of `teacher`: several who answer the rows that are trained on, the reference teacher first."""
    filters: tuple[FilterSpec, ...] = Field(default=tuple(FilterSpec(name=name) for name in DEFAULT_FILTERS))
    """Filters in order; each drop has a reason."""
    regenerate: RegenerateConfig | None = None
    """Send rejected answers back to the teacher; default: do not."""
    student: StudentConfig
    """What is taught and how."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """What is measured on the sealed held-out set."""
    gate: GateConfig
    """The rules a student must pass."""
    costs: CostsConfig = CostsConfig()
    """Assumptions of the cost comparison."""

    @property
    def panel(self) -> tuple[TeacherConfig, ...]:
        """All teachers, the reference teacher first; one where the file has `teacher`."""
        return (self.teacher,) if self.teacher is not None else self.teachers

    @property
    def reference_teacher(self) -> TeacherConfig:
        """The teacher that students are compared with, and that answers what they hand on."""
        return self.panel[0]

    def with_panel(self, panel: tuple[TeacherConfig, ...]) -> Self:
        """Return the same config with other teachers in the places of its own."""
        return self.model_copy(update={"teachers": panel} if self.teachers else {"teacher": panel[0]})

    @model_validator(mode="after")
    def _has_one_panel(self) -> Self:
        if (self.teacher is None) == (not self.teachers):
            raise ValueError("give `teacher` or `teachers`")
        return self
