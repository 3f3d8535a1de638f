"""The base as it was before training: every kind answers, and what training changed does not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.students.untuned import open_untuned
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("hot", "cold"), user="{{ text }}")
TEXTS = ["fire burns", "ice melts", "sun glows", "snow falls", "lava flows", "frost bites", "oven roars", "hail hits"]
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", text), "hot" if i % 2 == 0 else "cold") for i, text in enumerate(TEXTS)]
PROMPTS = [row.prompt for row in ROWS]


def train(kind: str, directory: Path, epochs: float) -> Path:
    config = StudentConfig(
        kind=kind, base=TinyModelConfig(), lora=LoraConfig(rank=4, dropout=0.0), epochs=epochs, learning_rate=1e-2,
        batch_tokens=256, max_new_tokens=8,
    )  # fmt: skip
    get_student(kind).train(Lessons(ROWS, ()), TASK, config, RUNTIME, directory, directory.parent / f"w{epochs}")
    return directory


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_training_leaves_no_trace_in_the_untuned_base(kind, tmp_path: Path) -> None:
    little, much = train(kind, tmp_path / "a", 1), train(kind, tmp_path / "b", 30)
    first, second = (open_untuned(place, [], RUNTIME).predict(PROMPTS) for place in (little, much))
    assert [answer.id for answer in first] == [prompt.id for prompt in PROMPTS]
    assert [answer.text for answer in first] == [answer.text for answer in second]
    tuned = get_student(kind).load(much, RUNTIME).predict(PROMPTS)
    assert [(a.text, a.confidence) for a in tuned] != [(a.text, a.confidence) for a in second]


def test_an_encoder_with_every_text_as_example_answers_them_by_nearness(tmp_path: Path) -> None:
    directory = train("classifier", tmp_path / "a", 1)
    one_each = open_untuned(directory, ROWS[:2], RUNTIME).predict([ROWS[0].prompt, ROWS[1].prompt])
    assert {answer.text for answer in one_each} <= {"hot", "cold"}
    assert all(0 < (answer.confidence or 0) <= 1 for answer in one_each)
