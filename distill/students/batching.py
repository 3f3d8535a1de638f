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
    """`batches` are row indices per micro-batch, all epochs in order; `epoch_ends` counts them at each end."""

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
) -> BatchPlan:
    """Lay out every micro-batch of a training.

    `lengths` are row lengths in tokens; `batch_tokens` the padded tokens of one optimizer step over all its
    micro-batches. Each epoch shuffles anew and ends on a whole optimizer step; a fractional last epoch is cut.
    """
    rng = np.random.default_rng(seed)
    micro_tokens = max(1, batch_tokens // (micro_batches_per_step * world_size))
    batches: list[tuple[int, ...]] = []
    ends: list[int] = []
    for epoch in range(math.ceil(epochs)):
        one = _plan_epoch(lengths, micro_tokens, rng)
        share = min(1.0, epochs - epoch)
        batches += one[: max(1, round(len(one) * share))]
        batches += _fill(one, len(batches), micro_batches_per_step * world_size)
        ends.append(len(batches))
    return BatchPlan(tuple(batches), tuple(ends), micro_batches_per_step * world_size)


def pack_sorted(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Cut rows, shortest first, into batches whose padded size stays within `budget_tokens`."""
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    return _cut(order, lengths, budget_tokens)


def _plan_epoch(lengths: Sequence[int], micro_tokens: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    order = [int(row) for row in rng.permutation(len(lengths))]
    mean = sum(lengths) / len(lengths)
    bucket = max(1, int(BUCKET_BATCHES * micro_tokens / mean))
    batches: list[list[int]] = []
    for start in range(0, len(order), bucket):
        rows = sorted(order[start : start + bucket], key=lambda row: lengths[row])
        batches += _cut(rows, lengths, micro_tokens)
    return [tuple(batches[i]) for i in rng.permutation(len(batches))]


def _cut(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for row in order:
        batch = batches[-1] if batches else None
        longest = max(lengths[row], lengths[batch[-1]] if batch else 0)
        if batch is None or longest * (len(batch) + 1) > budget:
            batches.append([row])
        else:
            batch.append(row)
    return batches


def _fill(one: list[tuple[int, ...]], count: int, multiple: int) -> list[tuple[int, ...]]:
    missing = -count % multiple
    return [one[i % len(one)] for i in range(missing)]
