"""The order of a training: within budget, whole, the same rows in a step whatever the number of micro-batches."""

from __future__ import annotations

import numpy as np
import pytest

from distill.students.batching import pack_sorted, plan_batches

LENGTHS = [int(n) for n in np.random.default_rng(0).integers(5, 60, 200)]


def step_rows(plan) -> list[list[int]]:
    pieces = plan.micro_batches_per_step
    steps = [plan.batches[i : i + pieces] for i in range(0, len(plan.batches), pieces)]
    return [sorted(row for batch in step for row in batch) for step in steps]


def test_every_epoch_takes_every_row_once():
    plan = plan_batches(LENGTHS, 512, 2, seed=1)
    first = [row for batch in plan.batches[: plan.epoch_ends[0]] for row in batch]
    assert sorted(first) == list(range(200))
    assert plan.epoch_ends[1] == len(plan.batches)


def test_padded_batches_stay_within_the_budget():
    plan = plan_batches(LENGTHS, 512, 1, seed=1)
    assert all(max(LENGTHS[row] for row in batch) * len(batch) <= 512 for batch in plan.batches)


def test_packed_batches_fill_the_budget_with_tokens_alone():
    padded, packed = (plan_batches(LENGTHS, 512, 1, seed=1, packed=flag) for flag in (False, True))
    assert all(sum(LENGTHS[row] for row in batch) <= 512 for batch in packed.batches)
    assert packed.steps <= padded.steps


@pytest.mark.parametrize(("micro", "world"), [(2, 1), (1, 2), (4, 2), (1, 32)])
def test_micro_batches_and_processes_never_change_what_a_step_holds(micro: int, world: int):
    alone = plan_batches(LENGTHS, 512, 1.5, seed=3)
    dealt = plan_batches(LENGTHS, 512, 1.5, seed=3, micro_batches_per_step=micro, world_size=world)
    assert step_rows(dealt) == step_rows(alone)
    assert dealt.steps == alone.steps
    assert len(dealt.batches) == dealt.steps * micro * world


def test_a_step_is_dealt_evenly():
    plan = plan_batches([10] * 64, 640, 1, seed=0, micro_batches_per_step=4)
    assert {len(batch) for batch in plan.batches} == {16}


def test_overlong_row_gets_a_batch_of_its_own():
    assert pack_sorted([5, 900, 5], 100) == [[0, 2], [1]]


def test_order_depends_on_the_seed_and_its_digest_tells():
    one, same, other = (plan_batches(LENGTHS, 512, 1, seed=s).digest for s in (1, 1, 2))
    assert one == same != other
