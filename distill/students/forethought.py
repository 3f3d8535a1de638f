"""How much memory and time a training will take, estimated before it starts. Rough: within a factor of two or so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from distill.students.batching import BatchPlan
from distill.students.device import Placement

ADAM_BYTES, GRADIENT_BYTES = 8, 4
EFFICIENCY = 0.35
"""Share of a plain matrix product's speed that a whole training step reaches (measured: MiniLM, two CPU cores)."""
STEP_S = 0.05
"""What a micro-batch costs however small the model is: dispatch, hooks, its share of evaluations and checkpoints
(measured: one layer of 16 channels, two CPU cores, 60 ms)."""
_SIDE, _PROBES = 768, 3


def estimate_memory_bytes(
    model: nn.Module, lm: PreTrainedModel, lengths: Sequence[int], plan: BatchPlan, placement: Placement
) -> int:
    """Return weights + gradients and Adam's two moments of what is trained + activations of the largest micro-batch.

    Activations by Korthikanti et al. 2022 (arXiv:2205.05198), eq. 2: s b h (34 + 5 a s / h) bytes a layer at 16 bits.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad) * (ADAM_BYTES + GRADIENT_BYTES)
    hidden, heads, layers = _shape(lm)
    wide = 1 if placement.autocast is not None else 2
    peak = 0.0
    for rows in plan.batches:
        longest = max((lengths[row] for row in rows), default=0)
        per_token = hidden * (34 + 5 * heads * longest / hidden) * wide
        peak = max(peak, longest * len(rows) * per_token * layers)
    return int(weights + trained + peak)


def estimate_seconds(model: nn.Module, lengths: Sequence[int], plan: BatchPlan, placement: Placement) -> float:
    """Return a fixed cost for each micro-batch + FLOPs over the speed of a matrix product tried now.

    FLOPs are 4 per weight and token, and 2 more for each trained weight.
    """
    tokens = sum(max(lengths[row] for row in rows) * len(rows) for rows in plan.batches if rows)
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    frozen = sum(p.numel() for p in matrices)
    trained = sum(p.numel() for p in matrices if p.requires_grad)
    arithmetic = tokens * (4 * frozen + 2 * trained) / (_measure_flops(placement) * EFFICIENCY)
    return len(plan.batches) * STEP_S + arithmetic


def _shape(lm: PreTrainedModel) -> tuple[int, int, int]:
    config: Any = lm.config.get_text_config()
    layers = int(getattr(config, "num_hidden_layers", 1))
    if getattr(config, "is_encoder_decoder", False):
        layers += int(getattr(config, "num_decoder_layers", None) or getattr(config, "decoder_layers", layers))
    return int(config.hidden_size), int(getattr(config, "num_attention_heads", 1)), layers


def _measure_flops(placement: Placement) -> float:
    a = torch.ones((_SIDE, _SIDE), device=placement.device, dtype=placement.autocast or torch.float32)
    times: list[float] = []
    for _ in range(_PROBES):
        start = time.perf_counter()
        (a @ a).sum().item()
        times.append(time.perf_counter() - start)
    return 2 * _SIDE**3 / min(times)
