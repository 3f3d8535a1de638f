"""Losses over label sets: hard, soft and mixed targets, single and multi-label.

Letters: B rows, L labels. All return sums over the batch, weighted per row.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from distill.students.config import ObjectiveConfig


def label_loss_sum(
    logits_BL: Tensor,
    hard_BL: Tensor,
    soft_BL: Tensor,
    has_soft_B: Tensor,
    weight_B: Tensor,
    objective: ObjectiveConfig,
) -> Tensor:
    """Return the summed loss of one-label rows (a scalar).

    `hard_BL` is one-hot, `soft_BL` a distribution (ignored where `has_soft_B` is False: those rows learn from the
    hard label at full weight). The soft term is T^2 KL(teacher^(1/T) || student(T)) (Hinton et al. 2015, eq. 2-4).
    """
    hard_B = -(hard_BL * logits_BL.log_softmax(-1)).sum(-1)
    if objective.soft == 0:
        return (hard_B * weight_B).sum() * objective.hard
    t = objective.temperature
    target_BL = soften(soft_BL, t)
    student_BL = (logits_BL / t).log_softmax(-1)
    soft_B = functional.kl_div(student_BL, target_BL, reduction="none").sum(-1) * t * t
    mixed_B = objective.hard * hard_B + objective.soft * soft_B
    full_B = (objective.hard + objective.soft) * hard_B
    return (torch.where(has_soft_B, mixed_B, full_B) * weight_B).sum()


def multi_label_loss_sum(
    logits_BL: Tensor,
    hard_BL: Tensor,
    soft_BL: Tensor,
    has_soft_B: Tensor,
    weight_B: Tensor,
    objective: ObjectiveConfig,
) -> Tensor:
    """Return the summed loss of label-set rows: binary cross-entropy, averaged over labels (a scalar).

    `soft_BL` are independent probabilities per label. The soft term is that of `label_loss_sum` for each label's two
    outcomes: T^2 KL(teacher^(1/T) || student(T)), so T = 1 has the gradient of the cross-entropy against them.
    """
    hard_BL = functional.binary_cross_entropy_with_logits(logits_BL, hard_BL, reduction="none")
    if objective.soft == 0:
        return (hard_BL.mean(-1) * weight_B).sum() * objective.hard
    t = objective.temperature
    target_BL = soften(torch.stack([soft_BL, 1 - soft_BL], -1), t)[..., 0]
    entropy_BL = torch.special.entr(target_BL) + torch.special.entr(1 - target_BL)
    crossed_BL = functional.binary_cross_entropy_with_logits(logits_BL / t, target_BL, reduction="none")
    mixed_BL = objective.hard * hard_BL + objective.soft * (crossed_BL - entropy_BL) * t * t
    full_BL = (objective.hard + objective.soft) * hard_BL
    return (torch.where(has_soft_B[:, None], mixed_BL, full_BL).mean(-1) * weight_B).sum()


def soften(probs_BL: Tensor, temperature: float) -> Tensor:
    """Raise distributions (over the last axis) to the power 1/temperature and normalise; zeros stay zero."""
    powered_BL = probs_BL.clamp_min(0).pow(1.0 / temperature)
    return powered_BL / powered_BL.sum(-1, keepdim=True).clamp_min(1e-30)
