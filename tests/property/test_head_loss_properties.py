"""Whatever the targets: the fused loss and its gradient are the dense reference's; chunking changes nothing."""

from __future__ import annotations

import torch
from fakes.dense_head_loss import measure_densely, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.students.head_loss import sum_logit_loss
from distill.students.sparse_targets import SparseTargets, add_tail


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, SparseTargets]:
    seed = draw(st.integers(0, 2**31))
    rows, vocabulary = draw(st.integers(1, 5)), draw(st.integers(3, 30))
    known = draw(st.integers(1, vocabulary - 1))
    random = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randperm(vocabulary, generator=random)[:known] for _ in range(rows)])
    probs = torch.rand((rows, known), generator=random) + 1e-3
    probs = probs * draw(st.sampled_from([0.5, 0.99, 1.0])) / probs.sum(-1, keepdim=True)
    logits = torch.randn((rows, vocabulary), generator=random) * draw(st.sampled_from([0.1, 1.0, 8.0]))
    soft = torch.rand(rows, generator=random) * draw(st.sampled_from([0.0, 1.0]))
    hard = torch.rand(rows, generator=random) + 0.1
    return logits, SparseTargets(ids, add_tail(probs), hard, soft, draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_gradient_equals_the_dense_reference(case: tuple[torch.Tensor, SparseTargets]):
    logits, targets = case
    mine, wide = logits.clone().requires_grad_(), logits.double().requires_grad_()
    sum_logit_loss(mine, targets).backward()
    measure_densely(wide, targets).backward()
    assert relative_error(mine.grad, wide.grad) < 1e-5


@settings(max_examples=50, deadline=None)
@given(cases())
def test_gradient_of_every_position_sums_to_zero(case: tuple[torch.Tensor, SparseTargets]):
    logits, targets = case
    logits = logits.double().requires_grad_()
    sum_logit_loss(logits, targets).backward()
    assert logits.grad.sum(-1).abs().max() < 1e-6
