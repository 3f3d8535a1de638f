"""Several processes, one road: the first process runs it, the others wait and join in whenever it trains.

Started by a launcher (`accelerate launch`, `torchrun`), which sets RANK and WORLD_SIZE. The others write nowhere but
into a directory that is thrown away.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist
from accelerate import PartialState

from distill.records.runtime import RuntimeConfig
from distill.students import get_student
from distill.students.config import StudentConfig
from distill.students.protocol import Lessons, OnProgress, TrainingReport
from distill.students.trainer import count_processes
from distill.tasks.config import TaskConfig

PATIENCE = timedelta(days=14)
"""How long the others wait for the first process: teacher calls come before training."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training, as every process needs to know it."""

    lessons: Lessons
    task: TaskConfig
    config: StudentConfig
    runtime: RuntimeConfig
    work_dir: Path


@dataclass(slots=True)
class _Crew:
    """What this process knows of the others. `training`: they are in the middle of one, or were when it failed."""

    training: bool = False


_CREW = _Crew()


def train_together(job: Job, output_dir: Path, on_progress: OnProgress | None = None) -> TrainingReport:
    """Train in this process, and in all the others that its launcher started; only this one writes `output_dir`.

    Raises:
        DataError: a lesson cannot be used, or none is left.
        ConfigError: the base cannot be resolved.
    """
    if count_processes() == 1:
        return _train(job, output_dir, on_progress)
    _tell(job)
    _CREW.training = True  # and stays so where that fails
    report = _train(job, output_dir, on_progress)
    _CREW.training = False
    return report


def follow() -> None:
    """Train whenever the first process does, until it says that there is no more.

    Raises:
        DataError: as in the first process.
        ConfigError: as in the first process.
    """
    while (job := _hear()) is not None:
        with tempfile.TemporaryDirectory() as scratch:
            _train(job, Path(scratch), None)
    dist.destroy_process_group()


def dismiss() -> None:
    """Tell the others that there is no more to train; without others, do nothing.

    Nor after a training that failed: the others then wait for this process in the middle of it, where they would take
    a word for a gradient. Their launcher ends them when this process ends.
    """
    if count_processes() > 1 and not _CREW.training:
        _tell(None)
        dist.destroy_process_group()


def _train(job: Job, output_dir: Path, on_progress: OnProgress | None) -> TrainingReport:
    student = get_student(job.config.kind)
    return student.train(job.lessons, job.task, job.config, job.runtime, output_dir, job.work_dir, on_progress)


def _tell(job: Job | None) -> None:
    _join()
    dist.broadcast_object_list([job], src=0, device=None)


def _hear() -> Job | None:
    _join()
    heard: list[Job | None] = [None]
    dist.broadcast_object_list(heard, src=0, device=None)
    return heard[0]


def _join() -> None:
    """Form the group; on GPUs this also gives each process its own."""
    PartialState(timeout=PATIENCE)
