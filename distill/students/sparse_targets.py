"""Teacher distributions known on a few tokens per position, everything else in one tail bucket; hard labels are K = 1.

Letters: N positions, C positions of one chunk, K known tokens, B = K + 1 buckets (the tail last), V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class SparseTargets:
    """What each position is taught.

    `ids_NK` are known tokens, distinct, the answer's own in column 0; an unused column repeats column 0's id with
    probability 0. `probs_NB` are the buckets' teacher probabilities (T = 1). `hard_N` and `soft_N` (None: no soft term
    anywhere) weigh the two terms:

        hard * -log p[ids[0]]  +  soft * T^2 * KL(q^(1/T) || p^(1/T)), both over the buckets, normalised.

    Tempering happens after the tail is summed: a teacher that names K tokens says nothing of how its tail is spread,
    and only so is the loss zero exactly where the student's buckets equal the teacher's.
    """

    ids_NK: Tensor
    probs_NB: Tensor
    hard_N: Tensor
    soft_N: Tensor | None = None
    temperature: float = 1.0
    wide_buffers: int = 1

    def measure(self, logits_CV: Tensor, rows: slice) -> Tensor:
        """Return the weighted losses_C, and turn `logits_CV` into their gradient, in place.

        With T = 1 the gradient of the soft term is p - q on the known tokens and p (1 - q_tail / p_tail) elsewhere.
        """
        ids_CK = self.ids_NK[rows]
        student_CB, rest_C1 = self._bucket(logits_CV, ids_CK, rows)
        losses_C, grad_CB = self._compare(student_CB, rows)
        logits_CV.mul_((grad_CB[:, -1:] / rest_C1).to(logits_CV.dtype))
        logits_CV.scatter_(1, ids_CK, 0.0)
        logits_CV.scatter_add_(1, ids_CK, grad_CB[:, :-1].to(logits_CV.dtype))
        return losses_C

    def _bucket(self, logits_CV: Tensor, ids_CK: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """Return log-probabilities of the buckets; leave exp(logit - highest) of the tail in `logits_CV`, and its sum.

        The tail is summed by itself, and buckets (few) are compared in fp64: 1 - sum(p) and p - q would lose their
        digits where the student is sure.
        """
        unused_CK = self.probs_NB[rows, :-1] <= 0
        unused_CK[:, 0] = False
        exact = torch.float32 if logits_CV.device.type == "mps" else torch.float64
        known_CK = logits_CV.gather(1, ids_CK).masked_fill(unused_CK, -torch.inf).to(exact)
        logits_CV.scatter_(1, ids_CK, -torch.inf)
        highest_C1 = logits_CV.amax(-1, keepdim=True).clamp_min(torch.finfo(logits_CV.dtype).min)
        rest_C1 = logits_CV.sub_(highest_C1).exp_().sum(-1, keepdim=True)
        tail_C1 = highest_C1.to(exact) + rest_C1.to(exact).log()
        return torch.cat([known_CK, tail_C1], dim=1).log_softmax(-1), rest_C1.clamp_min(1e-30)

    def _compare(self, student_CB: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """Return losses_C and their gradient by bucket logit; every row of it sums to zero."""
        hard_C = self.hard_N[rows].to(student_CB.dtype)
        losses_C = torch.where(hard_C > 0, -hard_C * student_CB[:, 0], 0.0)
        grad_CB = hard_C[:, None] * student_CB.exp()
        grad_CB[:, 0] -= hard_C
        if self.soft_N is None:
            return losses_C, grad_CB
        soft_C, t = self.soft_N[rows].to(student_CB.dtype), self.temperature
        teacher_CB = self._teacher(rows, student_CB.dtype)
        tempered_CB = (student_CB / t).log_softmax(-1)
        gap_CB = torch.where(teacher_CB > 0, teacher_CB.clamp_min(1e-38).log() - tempered_CB, 0.0)
        losses_C = losses_C + torch.where(soft_C > 0, soft_C * t * t * (teacher_CB * gap_CB).sum(-1), 0.0)
        return losses_C, grad_CB + soft_C[:, None] * t * (tempered_CB.exp() - teacher_CB)

    def _teacher(self, rows: slice, dtype: torch.dtype) -> Tensor:
        powered_CB = self.probs_NB[rows].to(dtype).pow(1 / self.temperature)
        return powered_CB / powered_CB.sum(-1, keepdim=True).clamp_min(1e-30)


def hard_targets(ids_N: Tensor, weight_N: Tensor) -> SparseTargets:
    """Return targets that are the answer's tokens alone: cross-entropy."""
    return SparseTargets(ids_N[:, None], add_tail(torch.ones_like(weight_N)[:, None]), weight_N)


def add_tail(probs_NK: Tensor) -> Tensor:
    """Return probs_NB: known probabilities and what is missing to 1. In fp64: T > 1 makes much of a small tail."""
    return torch.cat([probs_NK, (1 - probs_NK.double().sum(-1, keepdim=True)).clamp_min(0).to(probs_NK.dtype)], dim=1)
