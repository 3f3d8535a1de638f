"""Several processes train what one would: the same losses; the first alone runs the road."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from fakes.free_port import find_port
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from distill.students import has_followers, is_follower
from distill.students.sharding import gather, make_whole, settle
from distill.students.trainable import read_trainable, write_trainable

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("two_processes.py")


def launch(out: Path, processes: int) -> dict[str, object]:
    out.mkdir()
    port = str(find_port())
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", port]
    command = [sys.executable, "-W", "ignore", *(torchrun if processes > 1 else []), str(SCRIPT), str(out)]
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "true",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((out / "made.json").read_text())


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path):
    one = launch(tmp_path / "one", 1)
    two = launch(tmp_path / "two", 2)
    assert two["steps"] == one["steps"]
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-4)
    alone, together = (load_file(tmp_path / name / "student" / "adapter_model.safetensors") for name in ("one", "two"))
    assert all((alone[name] - together[name]).abs().max() < 1e-3 for name in alone)


@pytest.fixture
def sharded() -> Iterator[nn.Module]:
    """A model whose parameters are sharded over a group of one."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{find_port()}", rank=0, world_size=1)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[1].requires_grad_(False)
    yield fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    dist.destroy_process_group()


def test_sharded_weights_are_written_whole_and_read_back(sharded: nn.Module, tmp_path: Path):
    write_trainable(sharded, tmp_path / "w.safetensors", main=True)
    saved = load_file(tmp_path / "w.safetensors")
    assert {name: list(value.shape) for name, value in saved.items()} == {"0.weight": [3, 4], "0.bias": [3]}
    with torch.no_grad():
        sharded[0].weight.mul_(0)
    read_trainable(sharded, tmp_path / "w.safetensors")
    assert torch.equal(gather(sharded[0].weight), saved["0.weight"])


def test_sharded_model_is_made_whole_and_runs_as_before(sharded: nn.Module):
    value, given = gather(sharded[0].weight).clone(), torch.randn(2, 4)
    expected = sharded(given)
    make_whole(sharded)
    assert not any(isinstance(p.detach(), DTensor) for p in sharded.parameters())
    assert type(sharded) is nn.Sequential
    assert torch.equal(sharded[0].weight, value)
    assert torch.equal(sharded[1](sharded[0](given)), expected)
    assert [p.requires_grad for p in sharded.parameters()] == [True, True, False, False]


def test_weights_are_read_into_the_shards_even_while_copies_of_them_are_gathered(sharded: nn.Module, tmp_path: Path):
    write_trainable(sharded, tmp_path / "w.safetensors", main=True)
    with torch.no_grad():
        sharded[0].weight.mul_(0)
        sharded(torch.randn(2, 4))
    assert not isinstance(sharded[0].weight.detach(), DTensor), "the outermost stay gathered without a backward pass"
    read_trainable(sharded, tmp_path / "w.safetensors")
    settle(sharded)
    assert torch.equal(gather(sharded[0].weight), load_file(tmp_path / "w.safetensors")["0.weight"])


@pytest.mark.parametrize(
    ("rank", "size", "follows", "leads"), [("0", "1", False, False), ("0", "2", False, True), ("1", "2", True, False)]
)
def test_only_the_first_of_several_leads(rank, size, follows, leads, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    assert (is_follower(), has_followers()) == (follows, leads)
