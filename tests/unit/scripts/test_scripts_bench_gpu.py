"""The GPU benchmark: its FLOPs are those of a count by hand, its table is whole, and it runs where there is no GPU."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import peft
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2Config, Qwen2ForCausalLM

SCRIPT = Path(__file__).parents[3] / "scripts" / "bench_gpu.py"
ROWS = [([5, 6, 7], [8, 9]), ([5, 6], [7])]
"""Rows of 4 and 2 inputs, with 2 and 1 supervised."""


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_model(*, adapted: bool) -> torch.nn.Module:
    lm = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=50,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        )
    )
    if not adapted:
        return lm
    return peft.get_peft_model(lm, peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))


LAYER = 8 * 8 + 8 * 4 + 8 * 4 + 8 * 8 + 3 * 8 * 16
"""Weights of q, k, v (one head of 4 for both queries), o, and the three of the gated MLP."""
ATTENTION = 6 * 3 * 2 * 4 * (4 * 4 + 2 * 2)
"""12 / 2 (causal) x layers x heads x head size x T, summed over the T tokens of each row."""


def test_full_training_costs_six_flops_a_weight(bench: ModuleType):
    by_hand = 6 * 3 * LAYER * (4 + 2) + 6 * 50 * 8 * (2 + 1) + ATTENTION
    assert bench.count_flops(make_model(adapted=False), ROWS) == by_hand


def test_frozen_weights_cost_four_and_adapters_six(bench: ModuleType):
    adapter = 8 * 2 + 2 * 8
    by_hand = (4 * 3 * LAYER + 6 * 3 * adapter) * (4 + 2) + 4 * 50 * 8 * (2 + 1) + ATTENTION
    assert bench.count_flops(make_model(adapted=True), ROWS) == by_hand


@pytest.mark.parametrize("adapted", [False, True])
def test_flops_of_matrices_are_those_that_torch_counts(bench: ModuleType, adapted: bool):
    """One row, all of it supervised. torch counts the matrix products; `eager` attention's are whole squares."""
    lm = make_model(adapted=adapted)
    (lm.get_base_model() if adapted else lm).set_attn_implementation("eager")
    row = [[1], list(range(2, 34))]
    inputs = torch.tensor([[*row[0], *row[1][:-1]]])
    with FlopCounterMode(display=False) as counter:
        lm(input_ids=inputs).logits.square().sum().backward()
    square = 12 * 3 * 2 * 4 * 32 * 32
    # Where nothing below it is trained, the backward pass leaves the input of the first layer out.
    counted, expected = counter.get_total_flops(), bench.count_flops(lm, [tuple(row)]) + square / 2
    assert counted == pytest.approx(expected, rel=0.12 if adapted else 0.02)


def test_figures_are_medians_of_speed_and_the_most_of_memory(bench: ModuleType):
    passes = [bench.Pass(2.0, 10.0, 20.0), bench.Pass(4.0, 12.0, 24.0), bench.Pass(100.0, 11.0, 30.0)]
    made = bench.describe(400, 989e12 * 2, passes, "NVIDIA H200")
    assert made["tokens_per_s"] == 100
    assert made["mfu"] == pytest.approx(0.5)
    assert (made["peak_mb"], made["reserved_mb"]) == (12.0, 30.0)
    table = bench.draw_table({"distill": made, "TRL": bench.describe(400, 1e9, [bench.Pass(4.0, None, None)], "cpu")})
    assert table.splitlines()[2:] == [
        "| distill | 100 | 494 | 50.0% | 12 | 30 |",
        "| TRL | 100 | 0.00025 | - | - | - |",
    ]
    assert len({line.count("|") for line in table.splitlines()}) == 1


@pytest.mark.slow
def test_benchmark_runs_anywhere_on_a_tiny_shape():
    small = ["--tiny", "--device", "cpu", "--packed", "--rows", "24", "--longest", "32", "--warmup-rows", "4"]
    command = [sys.executable, "-W", "ignore", str(SCRIPT), *small, "--rounds", "2", "--batch-tokens", "256"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.count('"who"') == 4
    assert "| distill, packed | " in done.stdout
