"""Trains a tiny student in as many processes as a launcher starts; the first writes what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from distill.records.runtime import RuntimeConfig
from distill.students import is_follower
from distill.students.crew import Job, dismiss, follow, train_together
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig
from tests.fakes.small_training import make_config, make_rows

ROWS, CONFIG = make_rows(60), make_config(epochs=2, learning_rate=1e-2, max_new_tokens=256)


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
