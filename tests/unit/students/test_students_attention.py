"""The kernel of attention is a circumstance: another one trains the same student, and a missing one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from distill.errors import ConfigError
from distill.records.runtime import Attention, RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student, teaching
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.protocol import Lessons
from distill.tasks.config import TaskConfig

ROWS = [TrainingRow(f"r{i}", Prompt(f"r{i}", f"row number {i}" + " word" * (i % 5)), "ab"[i % 2]) for i in range(24)]
TEXT, LABEL = TaskConfig(output="text", user="x"), TaskConfig(output="label", labels=("a", "b"), user="x")


def train(out: Path, attention: Attention, kind: str = "causal_lm", **changes: object) -> None:
    config = StudentConfig(
        kind=kind, base=TinyModelConfig(), lora=LoraConfig(rank=2, dropout=0.0), batch_tokens=200, learning_rate=3e-3
    ).model_copy(update=changes)
    runtime = RuntimeConfig(device="cpu", attention=attention)
    task = LABEL if kind == "classifier" else TEXT
    get_student(kind).train(Lessons(ROWS, ROWS[:4]), task, config, runtime, out, out / "work")


@pytest.mark.parametrize(("kind", "changes"), [("causal_lm", {}), ("causal_lm", {"packing": True}), ("classifier", {})])
def test_another_kernel_trains_the_same_student(kind, changes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    used: list[str] = []
    fit = teaching.fit

    def noting(model, *args):
        lm = next(module for module in model.modules() if hasattr(module, "config"))
        used.append(lm.config._attn_implementation)
        return fit(model, *args)

    monkeypatch.setattr(teaching, "fit", noting)
    for attention in ("sdpa", "eager"):
        train(tmp_path / attention, attention, kind, **changes)
    assert used == ["sdpa", "eager"]
    one, other = (load_file(tmp_path / name / "adapter_model.safetensors") for name in used)
    assert all((one[name] - other[name]).abs().max() < 1e-4 for name in one)


@pytest.mark.parametrize(
    ("attention", "kind", "words"),
    [
        ("flash_attention_2", "causal_lm", "flash_attention_2 needs the module flash_attn, which is not installed"),
        ("flash_attention_3", "causal_lm", "needs the module flash_attn_interface"),
    ],
)
def test_kernel_that_cannot_be_used_is_refused(attention, kind, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("distill.students.attention.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="runtime.attention: .*" + words):
        train(tmp_path, attention, kind)
