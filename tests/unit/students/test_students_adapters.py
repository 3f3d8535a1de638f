"""What is trained of a base: every member of the adapter family, and embeddings that stay tied."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distill.errors import ConfigError
from distill.students.adapters import adapt, count_parameters
from distill.students.bases import ResolvedBase
from distill.students.config import LoraConfig, TinyModelConfig
from distill.students.tiny import build_tiny

BASE = ResolvedBase("tiny", None, Path(), "local", {})


def build():
    return build_tiny("causal_lm", TinyModelConfig(), ["some words"], 7)[1]


@pytest.mark.parametrize("variant", ["lora", "rslora", "dora"])
def test_each_variant_trains_all_linear_layers_but_the_head(variant):
    model = adapt(build(), LoraConfig(rank=4, variant=variant), BASE)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    for layer in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"):
        assert any(f".{layer}.lora_A" in name for name in trained)
    assert not any("lm_head" in name or "embed" in name for name in trained)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4), LoraConfig(rank=4, variant="dora")])
def test_tied_embeddings_stay_tied(lora: LoraConfig | None):
    model = adapt(build(), lora, BASE)
    inner = model if lora is None else model.get_base_model()
    assert inner.get_output_embeddings().weight is inner.get_input_embeddings().weight
    merged = model if lora is None else model.merge_and_unload()
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight


def test_rank_stabilised_scale_is_alpha_over_the_root_of_the_rank():
    scales = []
    for variant in ("lora", "rslora"):
        layer = adapt(build(), LoraConfig(rank=4, alpha=8, variant=variant), BASE).get_base_model().model.layers[0]
        scales.append(layer.self_attn.q_proj.scaling["default"])
    assert scales == [2.0, 4.0]


def test_full_fine_tuning_trains_everything():
    trainable, total = count_parameters(adapt(build(), None, BASE))
    assert trainable == total


def test_merged_adapter_answers_as_it_did():
    torch.manual_seed(0)
    model = adapt(build(), LoraConfig(rank=4, dropout=0.0), BASE).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        before = model(input_ids=torch.arange(9)[None]).logits
        after = model.merge_and_unload()(input_ids=torch.arange(9)[None]).logits
    assert torch.allclose(before, after, atol=1e-4)


def test_targets_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match=r"student\.lora\.targets"):
        adapt(build(), LoraConfig(targets=("no_such_layer",)), BASE)
