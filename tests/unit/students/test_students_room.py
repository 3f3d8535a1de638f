"""A training that cannot fit does not start; one that hardly fits is warned of, and keeps to what it needs."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import structlog
import torch

from distill.errors import ConfigError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student, room
from distill.students.config import StudentConfig, TinyModelConfig
from distill.students.generation import Generated, generate_packed
from distill.students.protocol import Lessons
from distill.students.room import Room, make_room, read_machine
from distill.tasks.config import TaskConfig

CPU = torch.device("cpu")
CONFIG = StudentConfig(kind="causal_lm", base=TinyModelConfig(), lora=None, epochs=1, max_new_tokens=8)
GB = 10**9
MEMINFO = "MemTotal:       16000000 kB\nMemFree:         100000 kB\nMemAvailable:    9000000 kB\n"


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch):
    called: list[bool] = []
    monkeypatch.setattr(room, "return_freed_blocks", lambda: called.append(True) or True)

    def give(total: int, free: int) -> list[bool]:
        monkeypatch.setattr(room, "find_room", lambda device: Room(total, free))
        return called

    return give


def test_what_cannot_fit_is_refused_with_what_to_change(has):
    has(10 * GB, 9 * GB)
    with pytest.raises(ConfigError) as caught:
        make_room(14 * GB, 0, CPU, CONFIG)
    for word in (
        "14.0 GB",
        "10.0 GB",
        "student.batch_tokens (now 4096)",
        "gradient_checkpointing: true",
        "student.lora",
    ):
        assert word in str(caught.value)


def test_what_may_just_fit_is_warned_of(has):
    has(10 * GB, 2 * GB)
    with structlog.testing.capture_logs() as logs:
        make_room(5 * GB, 1 * GB, CPU, CONFIG)
    assert [(log["event"], log.get("needs"), log["free"]) for log in logs] == [
        ("memory_short", "4.0 GB", "2.0 GB"),
        ("freed_memory_is_returned", "4.0 GB", "2.0 GB"),
    ]


def test_weights_that_are_loaded_need_no_more_room(has):
    called = has(10 * GB, 5 * GB)
    with structlog.testing.capture_logs() as logs:
        make_room(5 * GB, 4 * GB, CPU, CONFIG)
    assert (logs, called) == ([], [])


def test_a_tight_training_gives_freed_memory_back_and_a_roomy_one_is_left_alone(has):
    called = has(100 * GB, 20 * GB)
    make_room(1 * GB, 0, CPU, CONFIG)
    assert called == []
    make_room(6 * GB, 0, CPU, CONFIG)
    assert called == [True]


def test_training_that_cannot_fit_stops_before_its_first_step(has, tmp_path: Path):
    has(1000, 1000)
    rows = [TrainingRow(f"r{i}", Prompt(f"r{i}", "odd or even"), "odd") for i in range(4)]
    steps: list[int] = []
    with pytest.raises(ConfigError, match="the training needs about"):
        get_student("causal_lm").train(
            Lessons(rows, ()), TaskConfig(output="text", user="{{ text }}"), CONFIG, RuntimeConfig(device="cpu"),
            tmp_path / "o", tmp_path / "w", lambda step, total, loss: steps.append(step),
        )  # fmt: skip
    assert steps == []


def test_a_containers_limit_counts_where_it_is_less_than_the_machine(tmp_path: Path):
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text(MEMINFO)
    cgroup.mkdir()
    assert read_machine(meminfo, cgroup) == Room(16_000_000 * 1024, 9_000_000 * 1024)
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "memory.current").write_text("700\n")
    assert read_machine(meminfo, cgroup) == Room(16_000_000 * 1024, 9_000_000 * 1024)
    (cgroup / "memory.max").write_text("1000\n")
    assert read_machine(meminfo, cgroup) == Room(1000, 300)
    (cgroup / "memory.stat").write_text("anon 600\ninactive_file 100\n")
    assert read_machine(meminfo, cgroup) == Room(1000, 400)
    assert read_machine(tmp_path / "none", cgroup) is None


def test_processes_of_one_machine_share_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert read_machine(tmp_path / "meminfo", tmp_path) == Room(4_000_000 * 1024, 2_250_000 * 1024)


def test_a_c_library_without_the_setting_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert room.return_freed_blocks() is False


def test_probe_prompts_are_generated_in_batches_and_come_back_in_order():
    sizes: list[int] = []

    def generate(ids):
        sizes.append(len(ids) * max(map(len, ids)))
        return [Generated([len(one)], 0.0, True) for one in ids]

    prompts = [[1] * n for n in (3000, 5, 2000, 4000, 7)]
    assert [one.ids for one in generate_packed(prompts, generate)] == [[3000], [5], [2000], [4000], [7]]
    assert max(sizes) <= 4096
    assert generate_packed([], generate) == []
