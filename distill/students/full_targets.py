"""Divergences from the whole distribution of a teacher model on this machine, chunk by chunk.

Letters: N positions, C positions of one chunk, H hidden (of the teacher), V vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from distill.students.head_loss import Head


@dataclass(slots=True)
class FullTargets:
    """hard * -log p[ids] + soft * T^2 * D(teacher(T), student(T)), with D one of three.

    `kl` is KL(q || p) (Hinton et al. 2015); `reverse_kl` is KL(p || q) (Gu et al. 2023, arXiv:2306.08543); `jsd` is the
    mean of both against their mixture (Agarwal et al. 2023, arXiv:2306.13649, beta = 1/2). `teacher_NX` is the input
    of `teacher_head`, or the teacher's logits where that is None.
    """

    teacher_NX: Tensor
    teacher_head: Head | None
    ids_N: Tensor
    hard_N: Tensor
    soft_N: Tensor
    temperature: float
    divergence: Literal["kl", "reverse_kl", "jsd"]
    wide_buffers: int = 8

    def measure(self, logits_CV: Tensor, rows: slice) -> Tensor:
        """Return the weighted losses_C, and turn `logits_CV` into their gradient, in place."""
        hard_C, soft_C = self.hard_N[rows].to(logits_CV.dtype), self.soft_N[rows].to(logits_CV.dtype)
        t, ids_C1 = self.temperature, self.ids_N[rows][:, None]
        log_q_CV = (self._teacher(rows, logits_CV) / t).log_softmax(-1)
        losses_C, grad_CV = self._diverge((logits_CV / t).log_softmax(-1), log_q_CV)
        logits_CV.copy_(logits_CV.log_softmax(-1))
        hard_losses_C = -logits_CV.gather(1, ids_C1)[:, 0]
        logits_CV.exp_().scatter_add_(1, ids_C1, torch.full_like(ids_C1, -1, dtype=logits_CV.dtype))
        logits_CV.mul_(hard_C[:, None]).add_(grad_CV.mul_(soft_C[:, None] * t))
        return hard_C * hard_losses_C + soft_C * t * t * losses_C

    def _teacher(self, rows: slice, like_CV: Tensor) -> Tensor:
        given = self.teacher_NX[rows]
        if self.teacher_head is not None:
            given = given @ self.teacher_head.weight.t().to(given.dtype)
            bias_V = getattr(self.teacher_head, "bias", None)
            given = given if bias_V is None else given + bias_V
        return given[:, : like_CV.shape[1]].to(like_CV.dtype)

    def _diverge(self, log_p_CV: Tensor, log_q_CV: Tensor) -> tuple[Tensor, Tensor]:
        """Return losses_C and their gradient by the tempered student logits."""
        p_CV = log_p_CV.exp()
        if self.divergence == "kl":
            q_CV = log_q_CV.exp()
            return (q_CV * (log_q_CV - log_p_CV)).sum(-1), p_CV - q_CV
        if self.divergence == "reverse_kl":
            gap_CV = log_p_CV - log_q_CV
            losses_C = (p_CV * gap_CV).sum(-1)
            return losses_C, p_CV * (gap_CV - losses_C[:, None])
        log_m_CV = torch.logaddexp(log_p_CV, log_q_CV) - math.log(2)
        half_CV = (log_p_CV - log_m_CV) / 2
        student_C1 = (p_CV * half_CV).sum(-1, keepdim=True)
        teacher_C = (log_q_CV.exp() * (log_q_CV - log_m_CV)).sum(-1) / 2
        return student_C1[:, 0] + teacher_C, p_CV * (half_CV - student_C1)
