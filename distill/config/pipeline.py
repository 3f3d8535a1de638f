"""What a run is: the sections of a config file. Everything here is identity; `runtime` is not here."""

from __future__ import annotations

from pydantic import Field

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
    teacher: TeacherConfig
    """Who answers and how it is asked."""
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
