"""The definition of the head's loss in float64, with a loop, a mask and full log-probabilities; autograd derives it."""

from __future__ import annotations

import torch
from torch import Tensor

from distill.students.sparse_targets import SparseTargets


def measure_densely(logits_NV: Tensor, targets: SparseTargets) -> Tensor:
    total, t = logits_NV.new_zeros(()), targets.temperature
    log_p_NV = logits_NV.log_softmax(-1)
    for n in range(len(logits_NV)):
        used = [k for k in range(targets.ids_NK.shape[1]) if k == 0 or targets.probs_NB[n, k] > 0]
        known = targets.ids_NK[n, used]
        rest = torch.ones(logits_NV.shape[1], dtype=torch.bool)
        rest[known] = False
        student_B = torch.cat([log_p_NV[n, known], log_p_NV[n, rest].logsumexp(0)[None]])
        total = total - targets.hard_N[n] * student_B[0]
        if targets.soft_N is not None:
            q_B = targets.probs_NB[n, [*used, -1]].double() ** (1 / t)
            q_B = q_B / q_B.sum()
            log_s_B = (student_B / t).log_softmax(-1)
            terms_B = torch.where(q_B > 0, q_B * (q_B.clamp_min(1e-300).log() - log_s_B), 0.0)
            total = total + targets.soft_N[n] * t * t * terms_B.sum()
    return total


def relative_error(mine: Tensor, reference: Tensor) -> float:
    return ((mine.double() - reference).norm() / reference.norm().clamp_min(1e-12)).item()
