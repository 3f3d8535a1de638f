"""Rows and a model become a taught model: look at every row, inspect, fit. One road for every student kind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from torch import nn

from distill.records.runtime import RuntimeConfig
from distill.students.attention import attend_by
from distill.students.config import StudentConfig
from distill.students.device import Placement
from distill.students.forethought import Training, count_held_bytes
from distill.students.foundation import Foundation
from distill.students.preflight import Ask, InspectedSet, inspect_training, look_at
from distill.students.protocol import Lessons, OnProgress, Preflight
from distill.students.room import make_room
from distill.students.sharding import is_asked_for
from distill.students.trainer import FitResult, Setting, TeachingSet, fit, plan_training


class Rows(InspectedSet, Protocol):
    """Encoded rows that the trainer can be given."""

    def teaching(self) -> TeachingSet:
        """Return the trainer's view of these rows."""
        ...


class Desk(NamedTuple):
    """Where and how a student is taught; `output_dir` gets the student, `work_dir` the checkpoints."""

    config: StudentConfig
    runtime: RuntimeConfig
    placement: Placement
    output_dir: Path
    work_dir: Path
    on_progress: OnProgress | None


class Encoded(NamedTuple):
    """Lessons as given and as encoded, with how the predictor will ask and the token that ends an answer, if any."""

    lessons: Lessons
    train: Rows
    held: Rows
    ask: Ask
    end_id: int | None


def teach(model: nn.Module, foundation: Foundation, rows: Encoded, desk: Desk) -> tuple[Preflight, FitResult]:
    """Inspect every row, then fit `model` (in place) and leave it in eval mode.

    Raises:
        DataError: the preflight found what would come out wrong.
        ConfigError: the kernel of attention that was asked for cannot be used.
        ConfigError: the training cannot fit into memory.
    """
    taught, held = rows.train.teaching(), rows.held.teaching()
    plan = plan_training(taught, desk.config)
    sets = ((rows.lessons.train, rows.train), (rows.lessons.validation, rows.held))
    looked = [look_at(given, encoded, rows.ask, rows.end_id) for given, encoded in sets]
    training = Training(model, taught, held, plan, desk.placement)
    preflight = inspect_training(looked, foundation.tokenizer, foundation.model, training, desk.output_dir)
    if preflight.memory_bytes is not None and not is_asked_for():  # of a sharded model the whole is counted
        make_room(preflight.memory_bytes, count_held_bytes(model), desk.placement.device, desk.config)
    setting = Setting(desk.placement, desk.work_dir, desk.runtime.tracking)
    with attend_by(foundation.model, desk.runtime.attention):
        result = fit(model, taught, held, plan, desk.config, setting, desk.on_progress)
    model.eval()
    return preflight, result
