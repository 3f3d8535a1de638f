"""A killed training goes on bit for bit; a checkpoint that is damaged or of another training is refused by name."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from distill.errors import StoreError
from distill.records.runtime import RuntimeConfig
from distill.students import conductor, get_student
from distill.students.checkpoints import TrainingIdentity, find_newest, publish, verify
from distill.students.config import LoraConfig
from distill.students.protocol import Lessons
from tests.unit.students.killed_training import CONFIG, ROWS, TASK

SCRIPT = Path(__file__).with_name("killed_training.py")
LESSONS = Lessons(ROWS, ROWS[:4])
IDENTITY = TrainingIdentity("d" * 64, "v" * 64, "o" * 64, 1e-3, "linear, warm-up 0.06", 40, "w[2, 2]", {"seed": "7"})


def run(out: Path, work: Path, moment: str = "", step: int = 0) -> tuple[int, int]:
    """Train in a process of its own; return its exit code and the first step that it took (0: none)."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(SCRIPT),
        str(out),
        str(work),
        *([moment, str(step)] if moment else []),
    ]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r"first step (\d+)", done.stdout)
    return done.returncode, int(found[1]) if found else 0


@pytest.mark.slow
def test_training_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path):
    assert run(tmp_path / "whole", tmp_path / "w0")[0] == 0
    draw = random.Random(os.urandom(8))
    deaths = [
        ("after a step", draw.randint(1, 14)),
        ("while the optimizer is written", draw.choice([15, 18, 20])),
        ("between sealing and renaming", draw.choice([21, 24, 27])),
        ("after evaluating", draw.choice([33, 36, 39])),
        ("between renaming and pruning", draw.choice([42, 45, 48])),
        ("after a step", draw.randint(51, 59)),
    ]
    first_steps: list[int] = []
    for moment, step in deaths:
        code, first = run(tmp_path / "cut", tmp_path / "w1", moment, step)
        assert code == -signal.SIGKILL, (deaths, moment, step)
        first_steps.append(first)
    code, first = run(tmp_path / "cut", tmp_path / "w1")
    assert code == 0, deaths
    assert first_steps == sorted(first_steps), deaths
    assert first > 40, deaths
    for name in ("adapter_model.safetensors", "head.safetensors", "probe.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), deaths


class StoppedError(Exception):
    """Stands for whatever ends a training in the middle."""


def train(work: Path, lessons: Lessons = LESSONS, stop_at: int | None = None, **changes: object) -> None:
    def follow(done: int, steps: int, loss: float) -> None:
        if done == stop_at:
            raise StoppedError

    config = CONFIG.model_copy(update=changes)
    get_student("classifier").train(lessons, TASK, config, RuntimeConfig(device="cpu"), work / "out", work, follow)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conductor, "PROGRESS_EVERY_S", 0)
        with pytest.raises(StoppedError):
            train(work, stop_at=16)
    return work


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """The work directory of a training that was stopped after its checkpoint at step 15."""
    return Path(shutil.copytree(stopped_once, tmp_path / "work"))


def list_bytes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and "out" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def newest(work: Path) -> Path:
    found = find_newest(work)
    assert found is not None
    return found


def best(work: Path) -> Path:
    (found,) = work.glob("best-*.safetensors")
    return found


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the optimizer state is missing": lambda work: (newest(work) / "optimizer.pt").unlink(),
    "the optimizer state is torn": lambda work: tear(newest(work) / "optimizer.pt"),
    "trainable.safetensors is torn": lambda work: tear(newest(work) / "trainable.safetensors"),
    "scheduler.pt is missing": lambda work: (newest(work) / "scheduler.pt").unlink(),
    "rng_state.pth is missing": lambda work: (newest(work) / "rng_state.pth").unlink(),
    "it is empty": lambda work: (work / "checkpoint-999").mkdir(),
    "its manifest.json is missing or torn": lambda work: tear(newest(work) / "manifest.json"),
    r"the best weights so far \(best-\d+.safetensors\) is missing": lambda work: best(work).unlink(),
    r"the best weights so far \(best-\d+.safetensors\) is torn": lambda work: tear(best(work)),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_damaged_checkpoint_is_refused_by_name_and_left_alone(words: str, stopped: Path):
    DAMAGES[words](stopped)
    before = list_bytes(stopped)
    with pytest.raises(StoreError, match=f"cannot resume training from .*: {words}.*; delete .* to start over"):
        train(stopped)
    assert list_bytes(stopped) == before


CHANGES: dict[str, dict[str, object]] = {
    "the training rows changed": {"lessons": Lessons([*ROWS[:-1], replace(ROWS[-1], target="a")], ROWS[:4])},
    "the validation rows changed": {"lessons": Lessons(ROWS, ROWS[:5])},
    "the batch order changed": {"seed": 8},
    r"the learning rate changed: 0.01 -> 0.02": {"learning_rate": 0.02},
    "the learning-rate schedule changed: 'linear, warm-up 0.06' -> 'cosine, warm-up 0.06'": {"schedule": "cosine"},
    "the learning-rate schedule changed: .* -> 'linear, warm-up 0.1'": {"warmup_fraction": 0.1},
    "the trainable parameters changed": {"lora": LoraConfig(rank=8, dropout=0.1)},
    "student.lora.dropout changed: '0.1' -> '0.2'": {"lora": LoraConfig(rank=4, dropout=0.2)},
    "student.weight_decay changed: '0' -> '0.3'": {"weight_decay": 0.3},
}


@pytest.mark.parametrize("words", CHANGES)
def test_another_training_is_refused_by_name(words: str, stopped: Path):
    with pytest.raises(StoreError, match=f"cannot resume training from .*: {words}"):
        train(stopped, **CHANGES[words])


def test_stopped_training_that_nothing_changed_goes_on(stopped: Path):
    train(stopped)
    assert (stopped / "out" / "head.safetensors").is_file()


def test_training_that_would_have_other_steps_is_refused_by_their_number(tmp_path: Path):
    (tmp_path / "staging").mkdir()
    for name in ("trainable.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"):
        (tmp_path / "staging" / name).write_bytes(name.encode())
    checkpoint = publish(tmp_path / "staging", tmp_path, 10, IDENTITY)
    verify(checkpoint, IDENTITY)
    with pytest.raises(StoreError, match="the number of steps changed: 40 -> 41"):
        verify(checkpoint, replace(IDENTITY, steps=41))
