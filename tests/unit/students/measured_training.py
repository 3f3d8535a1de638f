"""A process of its own that trains a student of the given config and prints what was foreseen and what was taken."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import torch

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.config import StudentConfig
from distill.students.protocol import Lessons, Preflight
from distill.students.room import return_freed_blocks
from distill.tasks.config import TaskConfig

LABELS = ("yes", "no")
TINY = {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300}


def make_rows(count: int, words: int, kind: str) -> list[TrainingRow]:
    rng = random.Random(0)

    def text(length: int) -> str:
        return " ".join(rng.choice(("red", "green", "blue", "seven", "card", "lost", "paid")) for _ in range(length))

    return [
        TrainingRow(
            f"r{i}",
            Prompt(f"r{i}", text(rng.randint(words // 3, words))),
            LABELS[i % 2] if kind == "classifier" else text(8),
            rationale=text(20),
        )
        for i in range(count)
    ]


def train(config: StudentConfig, rows: list[TrainingRow]) -> Preflight:
    classes = config.kind == "classifier"
    task = TaskConfig(output="label" if classes else "text", labels=LABELS if classes else None, user="{{ text }}")
    lessons = Lessons(rows[4:], rows[:4])
    with tempfile.TemporaryDirectory() as folder:
        out, work = Path(folder, "out"), Path(folder, "work")
        return get_student(config.kind).train(lessons, task, config, RuntimeConfig(device="cpu"), out, work).preflight


def read_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> None:
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    return_freed_blocks()
    train(
        StudentConfig(**(spec | {"base": TINY, "batch_tokens": 64})), make_rows(8, 6, spec["kind"])
    )  # what libraries load on first use
    before = read_status("VmRSS")
    preflight = train(StudentConfig(**spec), make_rows(44, 120, spec["kind"]))
    print(json.dumps({"foreseen": preflight.memory_bytes, "taken": read_status("VmHWM") - before}))


if __name__ == "__main__":
    main()
