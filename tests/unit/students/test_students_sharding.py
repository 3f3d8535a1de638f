"""Sharded over two processes by accelerate's own code (CPUs taken for GPUs), a training comes to what one process does.

What this cannot show: NCCL, CUDA streams, and speed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fakes.free_port import find_port
from safetensors.torch import load_file

from distill.errors import ConfigError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt
from distill.students import get_student
from distill.students.sharding import check_settings
from tests.unit.students.sharded_training import CASES, ROWS

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).with_name("sharded_training.py")
ALONE, TOGETHER = "alone", "together"
EASY = [name for name in CASES if name != "dropout"]
"""Cases in which nothing is drawn at random while training."""
FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}


def launch(out: Path, names: list[str], launcher: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", *launcher, str(SCRIPT), str(out), *names]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FSDP", "ACCELERATE"))}
    env = kept | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env | variables, capture_output=True, text=True, timeout=280, check=False)


def torchrun(processes: int = 2) -> list[str]:
    return ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", str(find_port())]


def read(out: Path) -> dict[str, dict[str, object]]:
    return json.loads((out / "made.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The easy cases, trained by one process and by two with a sharded model, in fp32."""
    base = tmp_path_factory.mktemp("fp32")
    for out, names, launcher, variables in ((ALONE, EASY, [], {}), (TOGETHER, list(CASES), torchrun(), FSDP)):
        done = launch(base / out, names, launcher, **variables)
        assert done.returncode == 0, done.stderr[-3000:]
    return base


@pytest.mark.slow
@pytest.mark.parametrize("name", EASY)
def test_model_is_really_sharded_layer_by_layer(name: str, made: Path):
    found, alone = read(made / TOGETHER)[name], read(made / ALONE)[name]
    assert found["sharded"] == found["parameters"] == alone["parameters"]
    assert found["moments_sharded"]
    assert alone["sharded"] == 0
    assert found["values_here"] == pytest.approx(int(found["values"]) / 2, rel=0.01)
    assert set(found["layers"]) & {"Qwen2DecoderLayer", "BertLayer", "T5Block"}


@pytest.mark.slow
@pytest.mark.parametrize("name", EASY)
def test_sharded_training_has_the_losses_of_one_process(name: str, made: Path):
    alone, together = (read(made / way)[name] for way in (ALONE, TOGETHER))
    for fact in ("steps", "trainable"):
        assert alone[fact] == together[fact]
    assert together["losses"] == pytest.approx(alone["losses"], abs=1e-4)
    assert together["best"] == (None if alone["best"] is None else pytest.approx(alone["best"], abs=1e-4))


@pytest.mark.slow
@pytest.mark.parametrize("name", EASY)
def test_sharded_training_writes_the_student_of_one_process(name: str, made: Path):
    files = sorted(
        path.name for path in (made / ALONE / name).glob("*.safetensors") if path.name != "probe.safetensors"
    )
    assert files
    for file in files:
        alone, together = (load_file(made / way / name / file) for way in (ALONE, TOGETHER))
        assert alone.keys() == together.keys()
        for key, value in alone.items():
            assert value.dtype == together[key].dtype
            assert torch.allclose(value, together[key], atol=2e-5), key


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "full", "classifier", "classifier_full", "seq2seq"])
def test_student_of_a_sharded_training_is_loaded_and_answers_like_it(name: str, made: Path):
    student = get_student(CASES[name].config.kind)
    prompts = [Prompt(row.id, row.prompt.user) for row in ROWS[:8]]
    alone, together = (
        student.load(made / way / name, RuntimeConfig(device="cpu")).predict(prompts) for way in (ALONE, TOGETHER)
    )
    assert [answer.text for answer in alone] == [answer.text for answer in together]
    assert [a.confidence for a in alone] == pytest.approx([a.confidence for a in together], abs=1e-4)


@pytest.mark.slow
def test_best_weights_are_kept_and_not_the_last(made: Path):
    found = read(made / TOGETHER)["best_is_not_last"]
    assert found["best"] < found["losses"][-1] - 1


@pytest.mark.slow
def test_shipped_config_of_accelerate_shards_and_autocast_rounds_products_alone(tmp_path: Path):
    config = ROOT / "scripts" / "accelerate_fsdp2.yaml"
    port = str(find_port())
    accelerate = ["-m", "accelerate.commands.launch", "--config_file", str(config), "--main_process_port", port]
    for out, launcher in ((ALONE, []), (TOGETHER, accelerate)):
        names = ["full", "best_is_not_last", "classifier"]
        done = launch(tmp_path / out, names, launcher, BF16="1", UNTIED="1")
        assert done.returncode == 0, done.stderr[-3000:]
    alone, together = read(tmp_path / ALONE), read(tmp_path / TOGETHER)
    for name, found in together.items():
        assert found["sharded"] == found["parameters"], name
        assert found["losses"] == pytest.approx(alone[name]["losses"], abs=2e-3), name
        assert found["best"] != torch.tensor(found["best"]).bfloat16().item(), name
    for file in (tmp_path / TOGETHER).glob("*/*.safetensors"):
        assert torch.bfloat16 not in {value.dtype for value in load_file(file).values()}


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharded training that ended with all its processes after its first checkpoint."""
    out = tmp_path_factory.mktemp("lost")
    done = launch(out, ["dropout"], torchrun(), **FSDP, DIE_AFTER="1")
    assert done.returncode != 0
    assert list((out / "dropout-work").glob("checkpoint-*/manifest.json"))
    return out


def copy(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-r", source, target], check=True)
    return target


@pytest.mark.slow
def test_lost_sharded_training_goes_on_bit_for_bit(lost: Path, made: Path, tmp_path: Path):
    out = copy(lost, tmp_path / "again")
    done = launch(out, ["dropout"], torchrun(), **FSDP)
    assert done.returncode == 0, done.stderr[-3000:]
    again, whole = ((where / "dropout/adapter_model.safetensors").read_bytes() for where in (out, made / TOGETHER))
    assert again == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (FSDP | {"CHANGES": '{"learning_rate": 0.5}'}, "the learning rate changed: 0.003 -> 0.5"),
        ({}, r"it was written by a training that was sharded \(FSDP=1\), and this one is not sharded"),
    ],
)
def test_sharded_training_is_not_resumed_as_another(variables, words, lost: Path, tmp_path: Path):
    done = launch(copy(lost, tmp_path / "again"), ["dropout"], torchrun(), **variables)
    assert done.returncode != 0
    assert re.search("cannot resume training from .*: " + words, done.stderr), done.stderr[-3000:]


@pytest.mark.slow
def test_failed_training_ends_all_processes_and_says_why(tmp_path: Path):
    hopeless = '{"learning_rate": 1e38, "max_grad_norm": 1e38, "epochs": 400}'
    done = launch(tmp_path / "out", ["lora"], torchrun(), **FSDP, CHANGES=hopeless)
    assert done.returncode != 0
    assert "the training loss became nan at step" in done.stderr


@pytest.mark.slow
def test_sharding_over_cpu_processes_is_refused_instead_of_left_out(tmp_path: Path):
    done = launch(tmp_path / "out", ["lora"], torchrun(), **FSDP, AS_THEY_ARE="1")
    assert done.returncode != 0
    assert "FSDP shards models over GPUs only" in done.stderr


def test_launch_script_sets_what_the_tests_set():
    text = (ROOT / "scripts" / "launch_multi_gpu.sh").read_text(encoding="utf-8")
    assert "export " + " ".join(f"{name}={value}" for name, value in FSDP.items()) in text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"FSDP_VERSION": "1"}, "FSDP_VERSION must be 2"),
        ({"FSDP_OFFLOAD_PARAMS": "true"}, "FSDP_OFFLOAD_PARAMS: parameters on the CPU"),
        ({"FSDP_ACTIVATION_CHECKPOINTING": "True"}, "set student.gradient_checkpointing"),
        ({"FSDP_CPU_RAM_EFFICIENT_LOADING": "1"}, "look at the base's weights in every process"),
    ],
)
def test_settings_of_fsdp_that_would_fail_later_are_refused(variables, words, monkeypatch: pytest.MonkeyPatch):
    for name, value in (FSDP | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words):
        check_settings()
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    check_settings()
