"""A classifier stands on any base: an encoder, a decoder, or the encoder of an encoder-decoder, under every pooling."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from distill.errors import ConfigError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt, TrainingRow
from distill.students import get_student
from distill.students.classifier_model import pool
from distill.students.config import LoraConfig, StudentConfig, TinyModelConfig
from distill.students.exporting import get_exporter
from distill.students.parity import measure_parity
from distill.students.protocol import Lessons
from distill.students.tiny import Family, build_tiny
from distill.tasks.config import TaskConfig

RUNTIME = RuntimeConfig(device="cpu")
TASK = TaskConfig(output="label", labels=("even", "odd"), user="{{ text }}")
WORDS = ("even", "odd")
ROWS = [
    TrainingRow(f"r{i}", Prompt(f"r{i}", f"{WORDS[i % 2]} {'so ' * (i % 5)}it is"), WORDS[i % 2]) for i in range(16)
]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made: dict[str, Path] = {}
    families: tuple[Family, ...] = ("encoder", "causal_lm", "seq2seq")
    for family in families:
        tokenizer, model = build_tiny(family, TinyModelConfig(), [row.prompt.user for row in ROWS], seed=3)
        made[family] = tmp_path_factory.mktemp(family)
        tokenizer.save_pretrained(made[family])
        model.save_pretrained(made[family])
    return made


def train(base: Path, pooling: str, folder: Path, lora: LoraConfig | None) -> Path:
    config = StudentConfig(
        kind="classifier", base=str(base), pooling=pooling, lora=lora, epochs=12, learning_rate=1e-2, batch_tokens=64
    )
    get_student("classifier").train(Lessons(ROWS, ROWS[:4]), TASK, config, RUNTIME, folder / "out", folder / "work")
    return folder / "out"


EVERY = [(family, how) for family in ("encoder", "causal_lm", "seq2seq") for how in ("mean", "first", "last")]


@pytest.mark.parametrize(("family", "pooling"), [pair for pair in EVERY if pair != ("causal_lm", "first")])
def test_classifier_learns_on_every_base_under_every_pooling(family: str, pooling: str, bases, tmp_path: Path):
    student = train(bases[family], pooling, tmp_path, LoraConfig(rank=4, dropout=0.0))
    answers = get_student("classifier").load(student, RUNTIME).predict([row.prompt for row in ROWS])
    assert [answer.text for answer in answers] == [row.target for row in ROWS]


def test_first_token_of_a_decoder_is_refused_because_it_sees_nothing_else(bases, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"student\.pooling: first sees the first token alone.*use last or mean"):
        train(bases["causal_lm"], "first", tmp_path, LoraConfig(rank=4))


def test_only_the_encoder_of_an_encoder_decoder_is_kept(bases, tmp_path: Path):
    student = train(bases["seq2seq"], "mean", tmp_path, None)
    merged = tmp_path / "merged"
    merged.mkdir()
    (parity,) = get_exporter("merged")(student, merged, "float32", RUNTIME).forms
    assert parity.passes
    assert all(form.passes for form in measure_parity(get_student("classifier"), student, RUNTIME))
    assert not [name for name in load_file(student / "model.safetensors") if name.startswith("decoder.")]


@pytest.mark.parametrize("how", ["mean", "first", "last"])
@pytest.mark.parametrize("padding", ["right", "left"])
def test_pooling_looks_at_no_padding(how: str, padding: str):
    row_TH, noise_TH = torch.randn(5, 4), torch.full((3, 4), 1e6)
    parts = [row_TH, noise_TH] if padding == "right" else [noise_TH, row_TH]
    marks = [torch.ones(5), torch.zeros(3)] if padding == "right" else [torch.zeros(3), torch.ones(5)]
    pooled_BH = pool(torch.cat(parts)[None], torch.cat(marks)[None].long(), how)
    wanted = {"mean": row_TH.mean(0), "first": row_TH[0], "last": row_TH[-1]}[how]
    assert torch.allclose(pooled_BH[0], wanted, atol=1e-5)
