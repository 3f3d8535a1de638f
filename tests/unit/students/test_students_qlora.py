"""QLoRA: the base in 4 bits while it trains, and a student that stands on the values it was trained with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from distill.errors import ConfigError, MissingExtraError, UsageError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import STUDENTS, get_student, quantised
from distill.students.adapters import count_parameters
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.exporting import get_exporter
from distill.students.foundation import lay_foundation, open_foundation
from distill.students.manifest import read_manifest
from distill.students.parity import measure_parity
from distill.students.protocol import Lessons, TrainingReport
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("yes", "no"), user="{{ text }}")
ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"is number {i} odd"), "yes" if i % 2 else "no") for i in range(8)]


def make_config(kind: str, width: int = 64) -> StudentConfig:
    lora, base = LoraConfig(rank=4, variant="qlora", dropout=0.0), TinyModelConfig(hidden_size=width)
    return StudentConfig(kind=kind, base=base, lora=lora, epochs=6, learning_rate=1e-2, max_new_tokens=8)


def train(kind: str, folder: Path) -> TrainingReport:
    lessons = Lessons(ROWS, ROWS[:2])
    return get_student(kind).train(lessons, TASK, make_config(kind), RUNTIME, folder / "out", folder / "work")


@pytest.fixture
def bitsandbytes() -> None:
    pytest.importorskip("bitsandbytes")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.usefixtures("bitsandbytes")
@pytest.mark.parametrize("kind", sorted(STUDENTS))
def test_student_learns_on_four_bits_and_says_the_same_when_read_back(kind: str, tmp_path: Path):
    report = train(kind, tmp_path)
    assert report.preflight.memory_bytes is not None
    losses = [entry["eval_loss"] for entry in report.history if "eval_loss" in entry]
    assert min(losses) < losses[0]
    for form in measure_parity(get_student(kind), tmp_path / "out", RUNTIME):
        assert (form.agreement, form.largest_logit_gap < 1e-4) == (1.0, True), form


@pytest.mark.usefixtures("bitsandbytes")
def test_linear_layers_alone_are_quantised_and_counted_in_full(tmp_path: Path):
    model = lay_foundation("causal_lm", make_config("causal_lm"), ["a b"], tmp_path).model
    packed = {name.split(".")[-2] for name, p in model.named_parameters() if p.dtype == torch.uint8}
    assert packed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    plain = lay_foundation("causal_lm", make_config("causal_lm").model_copy(update={"lora": None}), ["a b"], tmp_path)
    assert count_parameters(model)[1] == count_parameters(plain.model)[1]


@pytest.mark.usefixtures("bitsandbytes")
def test_base_read_back_holds_the_values_of_the_four_bits(tmp_path: Path):
    train("causal_lm", tmp_path)
    base = open_foundation("causal_lm", tmp_path / "out", read_manifest(tmp_path / "out")).model
    name = "model.layers.0.mlp.up_proj.weight"
    exact, coarse = load_file(tmp_path / "out" / "base" / "model.safetensors")[name], base.state_dict()[name]
    gap, scale = (exact - coarse).abs().amax(1), exact.abs().amax(1)
    assert gap.max() > 0
    assert (gap <= 0.16 * scale).all()  # the widest gap between two levels of NF4 is 0.304 of a block's largest weight
    assert max(len(block.unique()) for block in coarse) <= 16
    assert torch.equal(base.state_dict()["model.norm.weight"], torch.ones(64))


@pytest.mark.usefixtures("bitsandbytes")
@pytest.mark.parametrize("width", [32, 96])
def test_layers_that_the_library_misreads_on_a_cpu_are_refused(width: int, tmp_path: Path):
    with pytest.raises(ConfigError, match=rf"multiple of 64 inputs, and .* has {width}"):
        lay_foundation("causal_lm", make_config("causal_lm", width), ["a b"], tmp_path)


@pytest.mark.usefixtures("bitsandbytes")
def test_merged_export_answers_alike_and_needs_no_extra(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch):
    train("causal_lm", tmp_path)
    (parity,) = get_exporter("merged")(tmp_path / "out", target, "float32", RUNTIME).forms
    assert parity.passes
    prompts = [row.prompt for row in ROWS]
    before = get_student("causal_lm").load(tmp_path / "out", RUNTIME).predict(prompts)
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: None)
    after = get_student("causal_lm").load(target, RUNTIME).predict(prompts)
    assert [answer.text for answer in before] == [answer.text for answer in after]


@pytest.mark.usefixtures("bitsandbytes")
def test_adapter_is_not_handed_to_a_server_that_would_put_it_on_full_weights(tmp_path: Path, target: Path):
    train("causal_lm", tmp_path)
    with pytest.raises(UsageError, match=r"full weights.*use --format merged"):
        get_exporter("vllm")(tmp_path / "out", target, "float32", RUNTIME)


@pytest.mark.usefixtures("bitsandbytes")
def test_import_is_quiet():
    code = "import distill.students.causal_lm, sys; assert 'bitsandbytes' in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_without_bitsandbytes_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'bitsandbytes' is not installed.*distill\[qlora\]"):
        train("classifier", tmp_path)


def test_sharding_four_bits_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="cannot be sharded"):
        quantised.quantise_on_load()
