"""The base as it was before training: every kind answers, and what training changed does not show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.students.untuned import open_untuned, show_examples
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("hot", "cold"), user="{{ text }}")
TEXTS = ["fire burns", "ice melts", "sun glows", "snow falls", "lava flows", "frost bites", "oven roars", "hail hits"]
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", text), "hot" if i % 2 == 0 else "cold") for i, text in enumerate(TEXTS)]
PROMPTS = [row.prompt for row in ROWS]


def train(kind: str, directory: Path, epochs: float, max_length_tokens: int = 512) -> Path:
    config = StudentConfig(
        kind=kind, base=TinyModelConfig(), lora=LoraConfig(rank=4, dropout=0.0), epochs=epochs, learning_rate=1e-2,
        batch_tokens=256, max_new_tokens=8, max_length_tokens=max_length_tokens,
    )  # fmt: skip
    get_student(kind).train(Lessons(ROWS, ()), TASK, config, RUNTIME, directory, directory.parent / f"w{epochs}")
    return directory


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_training_leaves_no_trace_in_the_untuned_base(kind, tmp_path: Path) -> None:
    little, much = train(kind, tmp_path / "a", 1), train(kind, tmp_path / "b", 30)
    first, second = (open_untuned(place, [], RUNTIME).predictor.predict(PROMPTS) for place in (little, much))
    assert [answer.id for answer in first] == [prompt.id for prompt in PROMPTS]
    assert [answer.text for answer in first] == [answer.text for answer in second]
    tuned = get_student(kind).load(much, RUNTIME).predict(PROMPTS)
    assert [(a.text, a.confidence) for a in tuned] != [(a.text, a.confidence) for a in second]


def test_an_encoder_with_every_text_as_example_answers_them_by_nearness(tmp_path: Path) -> None:
    directory = train("classifier", tmp_path / "a", 1)
    one_each = open_untuned(directory, ROWS[:2], RUNTIME).predictor.predict([ROWS[0].prompt, ROWS[1].prompt])
    assert {answer.text for answer in one_each} <= {"hot", "cold"}
    assert all(0 < (answer.confidence or 0) <= 1 for answer in one_each)


@pytest.mark.parametrize("kind", ["causal_lm", "seq2seq"])
def test_a_base_reads_more_than_the_student_was_trained_on(kind, tmp_path: Path) -> None:
    directory = train(kind, tmp_path / "a", 1, max_length_tokens=64)
    long = Prompt("long", "fire " * 100)
    assert get_student(kind).load(directory, RUNTIME).predict([long])[0].error_kind == "overlong"
    untuned = open_untuned(directory, [], RUNTIME)
    assert untuned.limit > 64
    assert untuned.predictor.predict([long])[0].error_kind != "overlong"


def test_as_many_examples_are_shown_as_push_no_row_over_what_the_base_reads(tmp_path: Path) -> None:
    untuned = replace(open_untuned(train("causal_lm", tmp_path / "a", 1), [], RUNTIME), limit=160)
    prompts = [Prompt("short", "sun"), Prompt("longer", "fire " * 8), Prompt("never", "fire " * 300)]
    shown, asked = untuned.fit_examples(prompts, ROWS)
    assert 0 < len(shown) < len(ROWS)
    lengths = [untuned.predictor.count_tokens(prompt) for prompt in asked]
    assert max(lengths[:2]) <= 160 < untuned.predictor.count_tokens(show_examples(prompts[1], ROWS[: len(shown) + 1]))
    assert lengths[2] > 160, "what does not fit without any example is no reason to show none"
