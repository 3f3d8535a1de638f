"""Soft targets of label sets: each label's two outcomes are taught at a temperature, as one label's distribution is."""

from __future__ import annotations

import pytest
import torch

from distill.students.config import ObjectiveConfig
from distill.students.losses import label_loss_sum, multi_label_loss_sum

LOGITS = torch.tensor([[2.0, -1.0, 0.3], [0.0, 4.0, -3.0]], dtype=torch.float64)
SOFT = torch.tensor([[0.9, 0.2, 0.5], [0.0, 1.0, 0.4]], dtype=torch.float64)
HARD = (SOFT > 0.5).double()
ONES, ALL = torch.ones(2, dtype=torch.float64), torch.tensor([True, True])


def gradient(objective: ObjectiveConfig, has_soft: torch.Tensor = ALL) -> torch.Tensor:
    logits = LOGITS.clone().requires_grad_()
    multi_label_loss_sum(logits, HARD, SOFT, has_soft, ONES, objective).backward()
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize("t", [0.5, 1.0, 2.0, 5.0])
def test_gradient_is_t_times_the_gap_of_the_softened_probabilities(t: float):
    softened = SOFT ** (1 / t) / (SOFT ** (1 / t) + (1 - SOFT) ** (1 / t))
    wanted = t * ((LOGITS / t).sigmoid() - softened) / 3
    assert torch.allclose(gradient(ObjectiveConfig(hard=0.0, soft=1.0, temperature=t)), wanted, atol=1e-12)


@pytest.mark.parametrize("t", [1.0, 3.0])
def test_loss_is_zero_where_student_and_teacher_agree(t: float):
    objective = ObjectiveConfig(hard=0.0, soft=1.0, temperature=t)
    loss = multi_label_loss_sum(LOGITS, HARD, LOGITS.sigmoid(), ALL, ONES, objective)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_two_outcomes_of_one_label_are_taught_as_a_distribution_over_two_labels():
    objective = ObjectiveConfig(hard=0.3, soft=0.7, temperature=2.0)
    one = multi_label_loss_sum(LOGITS[:1, :1], HARD[:1, :1], SOFT[:1, :1], ALL[:1], ONES[:1], objective)
    pair = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    hard, soft = (torch.stack([x[0, 0], 1 - x[0, 0]])[None] for x in (HARD, SOFT))
    two = label_loss_sum(pair, hard, soft, ALL[:1], ONES[:1], objective)
    assert one.item() == pytest.approx(two.item(), abs=1e-12)


def test_row_without_soft_targets_learns_from_its_labels_at_full_weight():
    mixed, hard = ObjectiveConfig(hard=0.5, soft=0.5), ObjectiveConfig(hard=1.0, soft=0.0)
    assert torch.allclose(gradient(mixed, ~ALL), gradient(hard), atol=1e-12)
