"""The order of all micro-batches of a training, known before it starts.

One flat plan covers every epoch, so that resuming is skipping, data order is a hash away from being checked, and the
number of steps is exact. Rows of like length share a batch; a batch never exceeds its padded token budget unless one
row alone does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

BUCKET_BATCHES = 8


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """`batches` are row indices per micro-batch, all epochs in order; `epoch_ends` counts them at each end.

    `micro_batches_per_step` counts those of all processes, which take them in turn.
    """

    batches: tuple[tuple[int, ...], ...]
    epoch_ends: tuple[int, ...]
    micro_batches_per_step: int

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return math.ceil(len(self.batches) / self.micro_batches_per_step)

    @property
    def digest(self) -> str:
        """SHA-256 of the order."""
        text = repr((self.batches, self.micro_batches_per_step))
        return hashlib.sha256(text.encode()).hexdigest()

    def __iter__(self) -> Iterator[list[int]]:
        return (list(batch) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def plan_batches(
    lengths: Sequence[int],
    batch_tokens: int,
    epochs: float,
    seed: int,
    micro_batches_per_step: int = 1,
    world_size: int = 1,
    *,
    packed: bool = False,
) -> BatchPlan:
    """Lay out every micro-batch of a training.

    `lengths` are row lengths in tokens; `batch_tokens` the tokens of one optimizer step, padding included unless
    rows are `packed` end to end. Each epoch shuffles anew and ends on a whole step; a fractional last epoch is cut.
    The rows of a step do not depend on the number of micro-batches and processes, only how they are dealt out.
    """
    rng = np.random.default_rng(seed)
    pieces = micro_batches_per_step * world_size
    batches: list[tuple[int, ...]] = []
    ends: list[int] = []
    for epoch in range(math.ceil(epochs)):
        steps = _plan_epoch(lengths, batch_tokens, rng, packed=packed)
        share = min(1.0, epochs - epoch)
        for rows in steps[: max(1, round(len(steps) * share))]:
            batches += _deal(rows, lengths, pieces, packed=packed)
        ends.append(len(batches))
    return BatchPlan(tuple(batches), tuple(ends), pieces)


def pack_sorted(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Cut rows, shortest first, into batches whose padded size stays within `budget_tokens`."""
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    return _cut(order, lengths, budget_tokens)


def _plan_epoch(
    lengths: Sequence[int], step_tokens: int, rng: np.random.Generator, *, packed: bool
) -> list[tuple[int, ...]]:
    order = [int(row) for row in rng.permutation(len(lengths))]
    mean = sum(lengths) / len(lengths)
    bucket = max(1, int(BUCKET_BATCHES * step_tokens / mean))
    steps: list[list[int]] = []
    for start in range(0, len(order), bucket):
        rows = sorted(order[start : start + bucket], key=lambda row: lengths[row])
        steps += _cut(rows, lengths, step_tokens, packed=packed)
    return [tuple(steps[i]) for i in rng.permutation(len(steps))]


def _deal(rows: tuple[int, ...], lengths: Sequence[int], pieces: int, *, packed: bool) -> list[tuple[int, ...]]:
    """Cut one step's rows into exactly `pieces` micro-batches with the smallest possible largest one.

    Some are empty where there are fewer rows.
    """
    if pieces == 1:
        return [rows]
    low, high = max(lengths[row] for row in rows), sum(lengths[row] for row in rows) + len(rows) * max(lengths)
    while low < high:
        middle = (low + high) // 2
        fits = len(_cut(rows, lengths, middle, packed=packed)) <= pieces
        low, high = (low, middle) if fits else (middle + 1, high)
    dealt = [tuple(piece) for piece in _cut(rows, lengths, low, packed=packed)]
    return dealt + [()] * (pieces - len(dealt))


def _cut(order: Sequence[int], lengths: Sequence[int], budget: int, *, packed: bool = False) -> list[list[int]]:
    batches: list[list[int]] = []
    tokens = 0
    for row in order:
        batch = batches[-1] if batches else None
        if batch is None or _grown(batch, row, lengths, tokens, packed=packed) > budget:
            batches.append([row])
            tokens = lengths[row]
        else:
            batch.append(row)
            tokens += lengths[row]
    return batches


def _grown(batch: Sequence[int], row: int, lengths: Sequence[int], tokens: int, *, packed: bool) -> int:
    """Return the tokens of `batch` (sorted by length, `tokens` without padding) with `row` added."""
    return tokens + lengths[row] if packed else max(lengths[row], lengths[batch[-1]]) * (len(batch) + 1)
