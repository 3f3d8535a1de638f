"""Trains a tiny classifier, and kills its own process with SIGKILL at a named moment: OUT WORK [MOMENT STEP]."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import checkpoints, conductor, get_student, trainer
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i} of many"), "ab"[i % 2]) for i in range(24)]
CONFIG = StudentConfig(
    kind="classifier",
    base=TinyModelConfig(),
    lora=LoraConfig(rank=4, dropout=0.1),
    epochs=20,
    learning_rate=1e-2,
    batch_tokens=48,
)
TASK = TaskConfig(output="label", labels=("a", "b"), user="{{ text }}")


def die() -> None:
    """End as a killed process does: nothing is flushed, closed or tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_at(step: int, work: Callable[..., object], *, before: bool) -> Callable[..., object]:
    """Return `work`, of a trainer, that dies at `step` before or after it was done."""

    def wrapped(self: trainer.StudentTrainer, *args: object, **kwargs: object) -> object:
        here = self.state.global_step == step
        if here and before:
            die()
        made = work(self, *args, **kwargs)
        if here:
            die()
        return made

    return wrapped


def plan_death(moment: str, step: int) -> Callable[[int, int, float], None]:
    """Arrange to die at `moment` of `step`; return what to call after each step."""
    taught = trainer.StudentTrainer
    if moment == "while the optimizer is written":
        taught._save_optimizer_and_scheduler = dying_at(step, taught._save_optimizer_and_scheduler, before=True)
    if moment == "between sealing and renaming":
        rename = Path.rename
        Path.rename = lambda path, to: die() if str(to).endswith(f"checkpoint-{step}") else rename(path, to)
    if moment == "between renaming and pruning":
        prune = checkpoints.prune
        checkpoints.prune = lambda work, keep: die() if f"checkpoint-{step}" in str(keep) else prune(work, keep)
    if moment == "after evaluating":
        taught.evaluate = dying_at(step, taught.evaluate, before=False)
    return lambda done, steps, loss: die() if moment == "after a step" and done == step else None


def main(out: Path, work: Path, moment: str = "", step: str = "0") -> None:
    conductor.PROGRESS_EVERY_S = 0
    at_step = plan_death(moment, int(step))
    first: list[int] = []

    def follow(done: int, steps: int, loss: float) -> None:
        if not first:
            first.append(done)
            print(f"first step {done} of {steps}", flush=True)
        at_step(done, steps, loss)

    lessons = Lessons(ROWS, ROWS[:4])
    get_student("classifier").train(lessons, TASK, CONFIG, RuntimeConfig(device="cpu"), out, work, follow)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
