"""A killed training goes on bit for bit; a checkpoint that is damaged or of another training is refused by name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill.errors import StoreError
from distill.students.checkpoints import TrainingIdentity, find_newest, publish, verify

IDENTITY = TrainingIdentity("d" * 64, "o" * 64, 1e-3, "linear, warm-up 0.06", 40, "head.weight[2, 2]")

SCRIPT = """
import sys, time
from pathlib import Path
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

out, work, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
rows = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i} of many"), "ab"[i % 2]) for i in range(24)]
config = StudentConfig(kind="classifier", base=TinyModelConfig(), lora=LoraConfig(rank=4, dropout=0.1),
                       epochs=20, learning_rate=1e-2, batch_tokens=128)
task = TaskConfig(output="label", labels=("a", "b"), user="{{ text }}")
step = lambda done, steps, loss: (print(done, flush=True), time.sleep(pause))
import distill.students.conductor as conductor
conductor.PROGRESS_EVERY_S = 0
get_student("classifier").train(Lessons(rows, rows[:4]), task, config, RuntimeConfig(device="cpu"), out, work, step)
"""


def start(out: Path, work: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(out), str(work), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})


@pytest.mark.slow
def test_killed_training_ends_with_the_same_bytes(tmp_path: Path):
    whole = start(tmp_path / "whole", tmp_path / "w0")
    whole.communicate(timeout=120)
    assert whole.returncode == 0
    killed = start(tmp_path / "cut", tmp_path / "w1", 0.05)
    deadline = time.monotonic() + 90
    while find_newest(tmp_path / "w1") is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    resumed = start(tmp_path / "cut", tmp_path / "w1")
    lines = resumed.communicate(timeout=120)[0].split("\n")
    first_step = next(int(line) for line in lines if line.isdigit())
    assert resumed.returncode == 0
    assert first_step > 1
    for name in ("adapter_model.safetensors", "head.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    staging = tmp_path / "staging"
    staging.mkdir()
    for name in ("trainable.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json", "rng_state.pth"):
        (staging / name).write_bytes(name.encode())
    return publish(staging, tmp_path, 10, IDENTITY)


def test_whole_checkpoint_of_the_same_training_is_accepted(checkpoint: Path):
    verify(checkpoint, IDENTITY)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("data", "e" * 64, "training rows changed"),
        ("order", "e" * 64, "batch order changed"),
        ("learning_rate", 2e-3, "learning rate changed: 0.001 -> 0.002"),
        ("schedule", "cosine, warm-up 0.06", "schedule changed"),
        ("steps", 41, "number of steps changed: 40 -> 41"),
        ("trainable", "head.weight[3, 2]", "trainable parameters changed"),
    ],
)
def test_another_training_is_refused_by_name(checkpoint: Path, field: str, value: object, words: str):
    other = TrainingIdentity(**{**{f: getattr(IDENTITY, f) for f in IDENTITY.__slots__}, field: value})
    with pytest.raises(StoreError, match=words):
        verify(checkpoint, other)


@pytest.mark.parametrize(
    ("content", "words"), [(b"opt", "optimizer state is torn"), (None, "optimizer state is missing")]
)
def test_damaged_optimizer_state_is_refused_by_name(checkpoint: Path, content: bytes | None, words: str):
    path = checkpoint / "optimizer.pt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        verify(checkpoint, IDENTITY)


def test_empty_newest_checkpoint_is_refused_by_name(checkpoint: Path):
    (checkpoint.parent / "checkpoint-100").mkdir()
    newest = find_newest(checkpoint.parent)
    assert newest is not None
    assert newest.name == "checkpoint-100"
    with pytest.raises(StoreError, match="it is empty"):
        verify(newest, IDENTITY)


def test_torn_manifest_is_refused(checkpoint: Path):
    (checkpoint / "manifest.json").write_text('{"files"')
    with pytest.raises(StoreError, match="missing or torn"):
        verify(checkpoint, IDENTITY)
