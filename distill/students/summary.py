"""What a training came to, in the words of `TrainingReport`: the same for every student kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import nn

from distill.students.adapters import count_parameters
from distill.students.bases import ResolvedBase
from distill.students.protocol import Preflight, TrainingReport
from distill.students.trainer import FitResult


class EncodedSet(Protocol):
    """Encoded rows of any kind, with the ids of those that were left out or cut."""

    dropped: dict[str, list[str]]
    truncated: list[str]

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per kept row."""
        ...


def summarise_training(
    train: EncodedSet,
    held: EncodedSet,
    preflight: Preflight,
    result: FitResult,
    model: nn.Module,
    base: ResolvedBase,
    seconds: float,
) -> TrainingReport:
    """Return the report of a finished training that took `seconds` in all."""
    trainable, total = count_parameters(model)
    return TrainingReport(
        rows_trained=len(train.lengths),
        rows_dropped=train.dropped,
        rows_truncated=train.truncated,
        validation_rows=len(held.lengths),
        validation_rows_dropped=held.dropped,
        steps=result.steps,
        tokens=result.tokens,
        seconds=seconds,
        trainable_parameters=trainable,
        total_parameters=total,
        best_validation_loss=result.best_validation_loss,
        history=result.history,
        preflight=preflight,
        base=base.as_json(),
    )


def describe_drops(dropped: dict[str, list[str]]) -> str:
    """Say how many rows were dropped for which reason."""
    return ", ".join(f"{len(ids)} {reason}" for reason, ids in sorted(dropped.items())) or "none was given"
