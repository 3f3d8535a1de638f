"""Trains a tiny student in as many processes as a launcher starts; the first writes what came out: OUT [KILL_AT]."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from torch.distributed.tensor import DTensor

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import conductor, is_follower
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.crew import Job, dismiss, follow, train_together
from distill.students.protocol import Lessons
from distill.students.trainable import list_trainable
from distill.students.trainer import StudentTrainer
from distill.tasks.config import TaskConfig

ROWS = [
    TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i} of many " + "word " * (i % 7)), f"answer {i % 3}")
    for i in range(60)
]
CONFIG = StudentConfig(
    kind="causal_lm",
    base=TinyModelConfig(),
    lora=LoraConfig(rank=4, dropout=0.0),
    epochs=2,
    learning_rate=1e-2,
    batch_tokens=256,
)


SHARDED: set[bool] = set()


def watch_shards() -> None:
    """Note, whenever the training evaluates, whether what is trained is sharded over both processes."""
    evaluate = StudentTrainer.evaluate

    def watched(self: StudentTrainer, **given: object) -> dict[str, float]:
        for _, parameter in list_trainable(self.model):
            value = parameter.detach()
            SHARDED.add(isinstance(value, DTensor) and value.device_mesh.size() == 2)
        return evaluate(self, **given)

    StudentTrainer.evaluate = watched


def main(out: Path, stop_at: int = 0) -> None:
    watch_shards()
    conductor.PROGRESS_EVERY_S = 0
    first: list[int] = []

    def follow_steps(step: int, steps: int, loss: float) -> None:
        first.append(step)
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if is_follower():
        follow()
        return
    job = Job(
        Lessons(ROWS, ROWS[:9]),
        TaskConfig(output="text", user="{{ text }}"),
        CONFIG,
        RuntimeConfig(device="cpu"),
        out / "work",
    )
    report = train_together(job, out / "student", follow_steps)
    losses = [entry.get("loss", entry.get("eval_loss")) for entry in report.history[:-1]]
    (out / "made.json").write_text(
        json.dumps({"losses": losses, "steps": report.steps, "first": first[0], "sharded": sorted(SHARDED)})
    )
    dismiss()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
