"""What a training will take, foreseen: what can be counted by hand, what a process takes, what grows with what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from distill.students import forethought
from distill.students.batching import BatchPlan
from distill.students.config import ObjectiveConfig
from distill.students.device import Placement
from distill.students.dry_run import count_peak_bytes
from distill.students.forethought import (
    OVERHEAD_BYTES,
    STEP_S,
    Training,
    count_held_bytes,
    estimate_memory_bytes,
    estimate_seconds,
)
from distill.students.lm_model import CausalModel
from distill.students.lm_rows import EncodedRow, LmRows
from distill.students.trainer import Batch, LossSum, TeachingSet

CPU = Placement(torch.device("cpu"), None)
LENGTHS = (10, 20, 30, 40)
NOTHING = TeachingSet((), lambda rows: {}, "")
WIDE = {"hidden_size": 256, "layers": 3, "heads": 4, "vocab_size": 600}


class Chain(nn.Module):
    """Two matrices of 100 x 100 and a sigmoid between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(100, 100, bias=False), nn.Linear(100, 100, bias=False)

    def forward(self, batch: Batch) -> LossSum:
        return LossSum(self.second(self.first(batch["x"]).sigmoid()).sum(), torch.ones(()))


class Curious(Chain):
    """Looks at what it has computed."""

    def forward(self, batch: Batch) -> LossSum:
        summed = super().forward(batch)
        return summed if summed.loss.item() > 0 else LossSum(summed.loss * 2, summed.weight)


def plan_of(*batches: tuple[int, ...], per_step: int = 1) -> BatchPlan:
    return BatchPlan(batches, (len(batches),), per_step)


def taught(lengths: tuple[int, ...]) -> TeachingSet:
    return TeachingSet(lengths, lambda rows: {"x": torch.ones(max(lengths[r] for r in rows) * len(rows), 100)}, "")


def foresee(model: nn.Module, *batches: tuple[int, ...], per_step: int = 1) -> int | None:
    return estimate_memory_bytes(Training(model, taught(LENGTHS), NOTHING, plan_of(*batches, per_step=per_step), CPU))


@pytest.fixture
def lm() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=64, num_key_value_heads=2, **shape))


def rows_of(lm: nn.Module, answer: int = 5) -> LmRows:
    return LmRows(0, [EncodedRow(f"r{n}", [1] * (n - answer), [2] * answer, 1.0) for n in (12, 22, 32, 42)])


def lm_bytes(lm: nn.Module) -> int:
    return sum(p.nbytes for p in lm.parameters())


def training_of(model: nn.Module, lm: nn.Module) -> Training:
    return Training(model, rows_of(lm).teaching(), NOTHING, plan_of((0, 1), (2, 3)), CPU)


def test_what_is_alive_at_once_is_counted_to_the_byte():
    tokens, width, matrix = 50, 100 * 4, 100 * 100 * 4
    peak = count_peak_bytes(Chain(), {"x": torch.ones(tokens, 100)}, CPU, train=True)
    # the second matrix's gradient is there; so are the sigmoid's output and what comes down to it, twice
    assert peak is not None
    assert matrix + 2 * tokens * width <= peak <= 2 * matrix + 3 * tokens * width + 200


def test_evaluation_keeps_nothing_for_a_backward_pass():
    batch = {"x": torch.ones(50, 100)}
    learned, seen = (count_peak_bytes(Chain(), batch, CPU, train=train) for train in (True, False))
    assert seen is not None and learned is not None
    assert seen == 2 * 50 * 400 < learned


def test_weights_and_two_moments_of_what_is_trained_are_added():
    model = Chain()
    whole = foresee(model, (3,))
    peak = count_peak_bytes(model, taught(LENGTHS).collate([3]), CPU, train=True)
    assert whole is not None and peak is not None
    assert whole == 3 * count_held_bytes(model) + peak + OVERHEAD_BYTES
    model.first.requires_grad_(False)
    fewer = foresee(model, (3,))
    assert fewer is not None and fewer < whole - 80_000


def test_the_largest_batch_counts_wherever_it_comes():
    assert foresee(Chain(), (0,), (2, 3), (1,)) == foresee(Chain(), (2, 3))
    assert foresee(Chain(), (0,)) != foresee(Chain(), (2, 3))


def test_gradients_that_wait_for_the_next_micro_batch_are_added():
    once, twice = foresee(Chain(), (0,), (1,)), foresee(Chain(), (0,), (1,), per_step=2)
    assert once is not None and twice == once + 2 * 40_000


def test_a_model_that_looks_at_what_it_computes_is_unknown_instead_of_guessed():
    assert foresee(Curious(), (0,)) is None


def test_looking_ahead_leaves_model_and_random_numbers_as_they_were(lm):
    model, rows = CausalModel(lm, ObjectiveConfig()), rows_of(lm)
    model.lm.model.layers[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    assert count_peak_bytes(model, rows.collate([0, 1, 2]), CPU, train=True)
    assert torch.equal(random, torch.get_rng_state())
    assert modes == [m.training for m in model.modules()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and type(p) is nn.Parameter for p in model.parameters())
    assert isinstance(model(rows.collate([0])).loss, Tensor)


def test_a_local_teacher_is_part_of_what_is_needed(lm):
    objective = ObjectiveConfig(soft=1.0)
    alone, taught_by = CausalModel(lm, objective), CausalModel(lm, objective, Qwen2ForCausalLM(lm.config))
    assert count_held_bytes(taught_by) == 2 * count_held_bytes(alone)
    assert estimate_memory_bytes(training_of(taught_by, lm)) >= estimate_memory_bytes(
        training_of(alone, lm)
    ) + lm_bytes(lm)


def test_recomputed_activations_take_less(lm):
    model, batch = CausalModel(lm, ObjectiveConfig()), rows_of(lm).collate([3, 3, 3, 3] * 8)
    kept = count_peak_bytes(model, batch, CPU, train=True)
    lm.gradient_checkpointing_enable({"use_reentrant": False})
    assert count_peak_bytes(model, batch, CPU, train=True) < 0.8 * kept


def test_half_precision_takes_less(lm):
    model, batch = CausalModel(lm, ObjectiveConfig()), rows_of(lm).collate([3, 3, 3, 3] * 8)
    half = Placement(torch.device("cpu"), torch.bfloat16)
    assert count_peak_bytes(model, batch, half, train=True) < 0.85 * count_peak_bytes(model, batch, CPU, train=True)


CONFIGS = {
    "a classifier, all weights": {"kind": "classifier", "lora": None, "batch_tokens": 4096},
    "adapters with dropout": {"kind": "causal_lm", "batch_tokens": 4096},
    "activations recomputed": {"kind": "causal_lm", "lora": None, "gradient_checkpointing": True, "batch_tokens": 8192},
    "answers and rationales": {"kind": "seq2seq", "objective": {"rationale": 0.5}, "batch_tokens": 4096},
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("which", CONFIGS)
def test_a_process_takes_what_was_foreseen_within_30_percent(which: str):
    spec = {"base": WIDE, "epochs": 1, **CONFIGS[which]}
    script = Path(__file__).with_name("measured_training.py")
    made = subprocess.run([sys.executable, str(script), json.dumps(spec)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout.splitlines()[-1])
    assert 0.7 < found["foreseen"] / found["taken"] < 1.3, found


def test_a_model_too_small_to_matter_still_costs_every_micro_batch(lm):
    batches = [(0,), (1,), (2,), (3,)] * 50
    seconds = estimate_seconds(lm, LENGTHS, plan_of(*batches), CPU)
    assert seconds == pytest.approx(200 * STEP_S, rel=0.2)


def test_a_large_model_costs_its_arithmetic():
    wide = nn.Linear(4096, 4096, bias=False)
    one = estimate_seconds(wide, LENGTHS, plan_of((3,) * 1000), CPU) - STEP_S
    assert one > STEP_S  # 4 TFLOP against a fixed cost of a twentieth of a second


def test_a_base_in_4_bits_costs_the_arithmetic_of_the_numbers_it_stands_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forethought, "_measure_flops", lambda placement: 1e9)
    plain, packed = nn.Linear(512, 512, bias=False), nn.Linear(512, 512, bias=False)
    plain.requires_grad_(False)
    packed.weight = nn.Parameter(torch.zeros((512 * 512 // 2, 1), dtype=torch.uint8), requires_grad=False)
    packed.weight.quant_state = SimpleNamespace(shape=(512, 512))
    seconds = [estimate_seconds(model, LENGTHS, plan_of((3,)), CPU) for model in (plain, packed)]
    assert seconds[0] == seconds[1] > 0.1
