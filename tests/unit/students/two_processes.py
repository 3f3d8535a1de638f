"""Trains a tiny student in as many processes as a launcher starts; the first writes what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import is_follower
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.crew import Job, dismiss, follow, train_together
from distill.students.protocol import Lessons
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


def main(out: Path) -> None:
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
    report = train_together(job, out / "student")
    losses = [entry.get("loss", entry.get("eval_loss")) for entry in report.history[:-1]]
    (out / "made.json").write_text(json.dumps({"losses": losses, "steps": report.steps}))
    dismiss()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
