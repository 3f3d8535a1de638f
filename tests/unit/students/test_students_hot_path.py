"""A training step gives the device work and asks nothing back: on a GPU each question would wait for all that runs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student, trainer
from distill.students.config import LoraConfig, ObjectiveConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

ROWS = [
    TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i}" + " word" * (i % 5)), f"answer {i % 3}") for i in range(24)
]
LABELLED = [TrainingRow(row.id, row.prompt, "ab"[i % 2]) for i, row in enumerate(ROWS)]
ASKING = {"_local_scalar_dense", "nonzero", "masked_select", "unique", "_unique2", "is_nonzero", "equal"}
"""Operators whose result, or its shape, the CPU must wait for."""


class Listener(TorchDispatchMode):
    """Notes the places in our code, and in that of others, from which the device is asked for a value."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: set[str] = set()
        self.theirs: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.__name__.split(".")[0]
        by_mask = name.startswith("index") and any(
            t.dtype in (torch.bool, torch.uint8)
            for arg in args[1:]
            if isinstance(arg, list | tuple)
            for t in arg
            if isinstance(t, torch.Tensor)
        )
        if name in ASKING or by_mask:
            self._note(name)
        return func(*args, **dict(kwargs or {}))

    def _note(self, name: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if "/torch/" not in frame.filename]
        nearest = next(frame for frame in reversed(frames) if frame.filename != __file__)
        where = f"{name} at {Path(nearest.filename).name}:{nearest.lineno}"
        (self.ours if "/distill/students/" in nearest.filename else self.theirs).add(where)


def listen_to_steps(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Listener:
    """Train a case, and return a listener that heard each forward and backward pass and the clipping."""
    rows, task, config = CASES[name]
    listener, step = Listener(), trainer.StudentTrainer.training_step

    def heard(self: trainer.StudentTrainer, model: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.Tensor:
        with listener:
            loss = step(self, model, *args, **kwargs)
            self.accelerator.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    monkeypatch.setattr(trainer.StudentTrainer, "training_step", heard)
    settings = {"lora": LoraConfig(rank=2, dropout=0.1), "epochs": 1, "batch_tokens": 200, "max_new_tokens": 12}
    student = StudentConfig(base=TinyModelConfig(), **(settings | config))
    lessons = Lessons(rows, rows[:4])
    get_student(student.kind).train(lessons, task, student, RuntimeConfig(device="cpu"), path / "out", path / "work")
    return listener


TEXT, LABEL = TaskConfig(output="text", user="x"), TaskConfig(output="label", labels=("a", "b"), user="x")
CASES: dict[str, tuple[list[TrainingRow], TaskConfig, dict[str, Any]]] = {
    "padded": (ROWS, TEXT, {"kind": "causal_lm"}),
    "packed": (ROWS, TEXT, {"kind": "causal_lm", "packing": True}),
    "full": (ROWS, TEXT, {"kind": "causal_lm", "lora": None, "gradient_checkpointing": True}),
    "classifier": (LABELLED, LABEL, {"kind": "classifier", "objective": ObjectiveConfig(hard=0.5, soft=0.5)}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_our_part_of_a_step_asks_the_device_for_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    listener = listen_to_steps(tmp_path, name, monkeypatch)
    assert not listener.ours


@pytest.mark.filterwarnings("ignore")
def test_listener_hears_a_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measure = trainer.StudentTrainer.compute_loss

    def asking(self: trainer.StudentTrainer, *args: Any, **kwargs: Any) -> Any:
        loss = measure(self, *args, **kwargs)
        loss.item()
        return loss

    monkeypatch.setattr(trainer.StudentTrainer, "compute_loss", asking)
    listener = listen_to_steps(tmp_path, "padded", monkeypatch)
    assert any(where.startswith("_local_scalar_dense") for where in listener.ours | listener.theirs)
    with listener:
        values = torch.arange(4)
        values[values > 1]
    assert any(where.startswith("index") for where in listener.ours | listener.theirs)
