"""How much memory and time a training will take, before it starts: memory by a run without memory, time roughly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from distill.students.batching import BatchPlan, pack_sorted
from distill.students.device import Placement
from distill.students.dry_run import count_peak_bytes, list_companions
from distill.students.quantised import count_values
from distill.students.trainer import EVAL_BATCH_TOKENS, TeachingSet, collate, count_processes

ADAM_BYTES = 8
OVERHEAD_BYTES = 40 * 10**6
"""What a training takes however small the model is: libraries' own buffers, the optimizer's code, small objects
(measured: 25 to 60 MB, models of 16 to 64 channels)."""
EFFICIENCY = 0.35
"""Share of a plain matrix product's speed that a whole training step reaches (measured: MiniLM, two CPU cores)."""
STEP_S = 0.05
"""What a micro-batch costs however small the model is: dispatch, hooks, its share of evaluations and checkpoints
(measured: one layer of 16 channels, two CPU cores, 60 ms)."""
_SIDE, _PROBES = 768, 3


class Training(NamedTuple):
    """A training that is about to start."""

    model: nn.Module
    train: TeachingSet
    held: TeachingSet
    plan: BatchPlan
    placement: Placement


def estimate_memory_bytes(training: Training) -> int | None:
    """Return what a process needs at once: weights, Adam's two moments, and the largest batch with its gradients.

    None where the model cannot be run without values. On a sharded model it counts the whole.
    """
    model, _, _, plan, _ = training
    trained = [p for p in model.parameters() if p.requires_grad]
    accumulates = plan.micro_batches_per_step > count_processes()
    held_back = sum(p.nbytes for p in trained) if accumulates else 0
    peaks = [_peak(training, rows, train=True, more=held_back) for rows in _largest(training.train, plan.batches)]
    evaluated = pack_sorted(training.held.lengths, EVAL_BATCH_TOKENS) if training.held.lengths else []
    peaks += [_peak(training, rows, train=False, more=0) for rows in _largest(training.held, evaluated)]
    known = [peak for peak in peaks if peak is not None]
    if len(known) < len(peaks):
        return None
    moments = ADAM_BYTES * sum(p.numel() for p in trained)
    return count_held_bytes(model) + moments + max(known, default=0) + OVERHEAD_BYTES


def count_held_bytes(model: nn.Module) -> int:
    """Return what the weights take: they are there before training starts."""
    models = [model, *list_companions(model)]
    tensors = {id(t): t for one in models for t in (*one.parameters(), *one.buffers())}
    return sum(tensor.nbytes for tensor in tensors.values())


def estimate_seconds(model: nn.Module, lengths: Sequence[int], plan: BatchPlan, placement: Placement) -> float:
    """Return a fixed cost for each micro-batch + FLOPs over the speed of a matrix product tried now.

    FLOPs are 4 per weight and token, and 2 more for each trained weight.
    """
    tokens = sum(max((lengths[row] for row in rows), default=0) * len(rows) for rows in plan.batches)
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    weights = sum(count_values(p) for p in matrices)
    trained = sum(p.numel() for p in matrices if p.requires_grad)
    arithmetic = tokens * (4 * weights + 2 * trained) / (_measure_flops(placement) * EFFICIENCY)
    return len(plan.batches) * STEP_S + arithmetic


def _peak(training: Training, rows: Sequence[int], *, train: bool, more: int) -> int | None:
    taught = training.train if train else training.held
    peak = count_peak_bytes(training.model, collate(taught, rows), training.placement, train=train)
    return None if peak is None else peak + more


def _largest(taught: TeachingSet, batches: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return the batches with most tokens, and with most pairs of tokens: one of them takes most memory."""
    shapes = {
        tuple(rows): (max(taught.lengths[row] for row in rows), _count_tokens(taught, rows)) for rows in batches if rows
    }
    if not shapes:
        return []
    widest = max(shapes, key=lambda rows: shapes[rows][1])
    longest = max(shapes, key=lambda rows: shapes[rows][0] * shapes[rows][1])
    return list(dict.fromkeys([widest, longest]))


def _count_tokens(taught: TeachingSet, rows: Sequence[int]) -> int:
    lengths = [taught.lengths[row] for row in rows]
    return sum(lengths) if taught.packed else max(lengths) * len(lengths)


def _measure_flops(placement: Placement) -> float:
    a = torch.ones((_SIDE, _SIDE), device=placement.device, dtype=placement.autocast or torch.float32)
    times: list[float] = []
    for _ in range(_PROBES):
        start = time.perf_counter()
        (a @ a).sum().item()
        times.append(time.perf_counter() - start)
    return 2 * _SIDE**3 / min(times)
