"""What a training will take, foreseen: the parts that can be counted by hand, and what must grow with what."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from distill.students.batching import BatchPlan
from distill.students.device import Placement
from distill.students.forethought import STEP_S, estimate_memory_bytes, estimate_seconds

CPU = Placement(torch.device("cpu"), None)
LENGTHS = (10, 20, 30, 40)


def plan_of(*batches: tuple[int, ...]) -> BatchPlan:
    return BatchPlan(batches, (len(batches),), 1)


@pytest.fixture(scope="module")
def lm() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=64, num_key_value_heads=2, **shape))


def freeze(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def test_a_frozen_model_needs_its_weights_and_the_activations_of_its_largest_micro_batch(lm):
    weights = sum(p.numel() * 4 for p in lm.parameters())
    per_token = 16 * (34 + 5 * 2 * 40 / 16) * 2 * 2  # two layers, fp32
    freeze(lm)
    estimate = estimate_memory_bytes(lm, lm, LENGTHS, plan_of((0, 1), (2, 3)), CPU)
    assert estimate == weights + 2 * 40 * per_token


def test_a_trained_weight_takes_its_gradient_and_two_moments_more(lm):
    freeze(lm)
    before = estimate_memory_bytes(lm, lm, LENGTHS, plan_of((0,)), CPU)
    trained = lm.model.layers[0].mlp.up_proj.weight.requires_grad_(True)
    assert estimate_memory_bytes(lm, lm, LENGTHS, plan_of((0,)), CPU) == before + 12 * trained.numel()


def test_half_precision_halves_the_activations(lm):
    weights = sum(p.numel() * 4 for p in lm.parameters())
    freeze(lm)
    whole = estimate_memory_bytes(lm, lm, LENGTHS, plan_of((3,)), CPU) - weights
    half = estimate_memory_bytes(lm, lm, LENGTHS, plan_of((3,)), Placement(torch.device("cpu"), torch.bfloat16))
    assert half - weights == whole / 2


def test_a_model_too_small_to_matter_still_costs_every_micro_batch(lm):
    batches = [(0,), (1,), (2,), (3,)] * 50
    seconds = estimate_seconds(lm, LENGTHS, plan_of(*batches), CPU)
    assert seconds == pytest.approx(200 * STEP_S, rel=0.2)


def test_a_large_model_costs_its_arithmetic():
    wide = nn.Linear(4096, 4096, bias=False)
    one = estimate_seconds(wide, LENGTHS, plan_of((3,) * 1000), CPU) - STEP_S
    assert one > STEP_S  # 4 TFLOP against a fixed cost of a twentieth of a second
