"""Says when a training evaluates, saves and stops, and how far it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from distill.errors import DataError
from distill.students.batching import BatchPlan
from distill.students.protocol import OnProgress

PROGRESS_EVERY_S = 0.5


@dataclass(slots=True)
class Conductor(TrainerCallback):
    """Evaluates at the ends of epochs, saves twenty times and there, stops early after `patience` of them in vain."""

    plan: BatchPlan
    validates: bool
    patience: int | None
    last_loss: Callable[[], float]
    on_progress: OnProgress | None
    reported_at: float = 0.0

    @property
    def evaluate_at(self) -> set[int]:
        """The steps after which an epoch is over."""
        return {end // self.plan.micro_batches_per_step for end in self.plan.epoch_ends}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        step, steps = state.global_step, self.plan.steps
        save_every = min(200, max(10, steps // 20))
        ends_epoch = step in self.evaluate_at
        control.should_evaluate = ends_epoch and self.validates
        control.should_save = step < steps and (step % save_every == 0 or control.should_evaluate)
        control.should_log = step % save_every == 0 or ends_epoch
        if state.is_world_process_zero:
            self._report(step, steps)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        since_best = len(losses) - 1 - losses.index(min(losses))
        if self.patience is not None and since_best >= self.patience:
            control.should_training_stop = True

    def _report(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if now - self.reported_at < PROGRESS_EVERY_S and step < steps:
            return
        self.reported_at, loss = now, self.last_loss()
        if not math.isfinite(loss):
            raise DataError(f"the training loss became {loss} at step {step}; lower student.learning_rate")
        if self.on_progress is not None:
            self.on_progress(step, steps, loss)
