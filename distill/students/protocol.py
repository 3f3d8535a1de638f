"""What a student kind must offer. One `Predictor` serves evaluation, serving and the parity check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from distill.records.json import Json
from distill.records.runtime import RuntimeConfig
from distill.records.training import Answer, Likelihood, Prompt, TrainingRow
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig

if TYPE_CHECKING:
    from distill.students.reading import NumberType, Reader

OnProgress = Callable[[int, int, float], None]
"""Called now and then with (step, steps in all, training loss)."""

PARITY_FILE = "form_parity.json"
"""Beside a student: what each of its forms chose against the trained one. Read where torch is not."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a student is trained on; rows are in a fixed order."""

    train: Sequence[TrainingRow]
    validation: Sequence[TrainingRow]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at before training: over how many rows, and the ids of those for which it does not hold."""

    name: str
    rows: int
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found before training. `trainable`: parameter name -> count; `memory_bytes`: needed at once; or None."""

    checks: tuple[Check, ...]
    trainable: dict[str, int]
    memory_bytes: int | None
    seconds: float

    def facts(self) -> dict[str, Json]:
        """Return what a person wants to see of it in one line."""
        return {
            "checks": len(self.checks),
            "rows": max(check.rows for check in self.checks),
            "failed": sum(bool(check.failed) for check in self.checks),
            "trainable_parameters": sum(self.trainable.values()),
            "estimated_memory_mb": None if self.memory_bytes is None else round(self.memory_bytes / 1e6),
            "estimated_seconds": float(f"{self.seconds:.2g}"),
        }


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What training did: counts, losses, times, and each row that was left out or cut; training.json of the stage."""

    rows_trained: int
    rows_dropped: dict[str, list[str]]
    rows_truncated: list[str]
    validation_rows: int
    validation_rows_dropped: dict[str, list[str]]
    steps: int
    tokens: int
    seconds: float
    trainable_parameters: int
    total_parameters: int
    best_validation_loss: float | None
    history: tuple[dict[str, float], ...]
    preflight: Preflight
    base: dict[str, Json] = field(default_factory=dict[str, Json])
    facts: dict[str, Json] = field(default_factory=dict[str, Json])
    """What a kind has to say beyond the above, e.g. the share of positions taught by log-probabilities."""


class Predictor(Protocol):
    """A loaded student. Thread-safe is not promised; one caller at a time."""

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts, in order; a failed one has `error_kind`, none is missing."""
        ...


@runtime_checkable
class Weigher(Protocol):
    """A predictor that can also say how likely it finds an answer that somebody else gave."""

    def weigh(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[Likelihood]:
        """Return the likelihood of each answer to its prompt, in order."""
        ...


class Student(Protocol):
    """One student kind."""

    def train(
        self,
        lessons: Lessons,
        task: TaskConfig,
        config: StudentConfig,
        runtime: RuntimeConfig,
        output_dir: Path,
        work_dir: Path,
        on_progress: OnProgress | None = None,
    ) -> TrainingReport:
        """Train and write the loadable student under `output_dir`; checkpoints go to `work_dir`, kept across a crash.

        What the trained model said on a few prompts is kept beside it (`parity.write_probe`).

        Raises:
            DataError: a lesson cannot be used, or none is left.
            ConfigError: the base cannot be resolved.
        """
        ...

    def load(self, directory: Path, runtime: RuntimeConfig) -> Predictor:
        """Load what `train` wrote.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        ...

    def read_form(
        self, directory: Path, runtime: RuntimeConfig, *, merge: bool, number_type: NumberType = "float32"
    ) -> Reader:
        """Load what `train` wrote, with its adapters merged or at work beside the base, for the parity check.

        Merging is done in float32; what comes of it is cast to `number_type` and runs in it.

        Raises:
            StoreError: the directory is damaged or its base does not match.
        """
        ...
