"""Every student kind: train on 8 rows, save, load, same outputs; answers in order; nothing missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("hot", "cold"), user="{{ text }}")
TEXTS = ["fire burns", "ice melts", "sun glows", "snow falls", "lava flows", "frost bites", "oven roars", "hail hits"]
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", text), "hot" if i % 2 == 0 else "cold") for i, text in enumerate(TEXTS)]
PROMPTS = [row.prompt for row in ROWS]


def make_config(kind: str, lora: LoraConfig | None) -> StudentConfig:
    return StudentConfig(
        kind=kind,
        base=TinyModelConfig(),
        lora=lora,
        epochs=80,
        learning_rate=1e-2,
        batch_tokens=256,
        max_new_tokens=8,
        early_stopping_patience=None,
    )


@pytest.fixture(params=[None, LoraConfig(rank=4, dropout=0.0)], ids=["full", "lora"])
def lora(request: pytest.FixtureRequest) -> LoraConfig | None:
    return request.param


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_trained_student_answers_the_same_each_time_it_is_loaded(kind, lora, tmp_path: Path):
    student = get_student(kind)
    config = make_config(kind, lora)
    report = student.train(Lessons(ROWS, ROWS[:2]), TASK, config, RUNTIME, tmp_path / "out", tmp_path / "work")
    first = student.load(tmp_path / "out", RUNTIME).predict(PROMPTS)
    again = student.load(tmp_path / "out", RUNTIME).predict(PROMPTS)
    assert report.rows_trained == 8
    assert [a.id for a in first] == [p.id for p in PROMPTS]
    assert [(a.text, a.confidence) for a in first] == [(a.text, a.confidence) for a in again]


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_fully_trained_student_learns_its_eight_rows(kind, tmp_path: Path):
    student = get_student(kind)
    student.train(Lessons(ROWS, ()), TASK, make_config(kind, None), RUNTIME, tmp_path / "out", tmp_path / "work")
    answers = student.load(tmp_path / "out", RUNTIME).predict(PROMPTS)
    assert [a.text for a in answers] == [row.target for row in ROWS]
    assert all(0 < a.confidence <= 1 and a.latency_ms > 0 and a.error_kind is None for a in answers)


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_same_seed_gives_the_same_bytes(kind, tmp_path: Path):
    student, config = get_student(kind), make_config(kind, LoraConfig(rank=4)).model_copy(update={"epochs": 2})
    for name in ("a", "b"):
        student.train(Lessons(ROWS, ROWS[:2]), TASK, config, RUNTIME, tmp_path / name, tmp_path / f"work-{name}")
    files = sorted(path.name for path in (tmp_path / "a").glob("*.safetensors"))
    assert "adapter_model.safetensors" in files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_overlong_prompt_is_named_and_no_answer_is_missing(kind, tmp_path: Path):
    student, config = (
        get_student(kind),
        make_config(kind, None).model_copy(update={"max_length_tokens": 48, "epochs": 1}),
    )
    student.train(Lessons(ROWS, ()), TASK, config, RUNTIME, tmp_path / "out", tmp_path / "work")
    answers = student.load(tmp_path / "out", RUNTIME).predict([PROMPTS[0], Prompt("long", "fire " * 400)])
    assert [a.id for a in answers] == ["r0", "long"]
    assert answers[1].error_kind == "overlong"
