"""Trains a tiny classifier that reports to a tracker: OUT WORK TRACKER. Prints what the training itself noted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from distill.records.runtime import RuntimeConfig
from distill.students import get_student
from distill.students.protocol import Lessons
from tests.unit.students.killed_training import CONFIG, ROWS, TASK


def main(out: Path, work: Path, tracker: str) -> None:
    runtime = RuntimeConfig(device="cpu", tracking=(tracker,))
    config = CONFIG.model_copy(update={"epochs": 4})
    report = get_student("classifier").train(Lessons(ROWS, ROWS[:4]), TASK, config, runtime, out, work)
    print(json.dumps([entry["eval_loss"] for entry in report.history if "eval_loss" in entry]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
