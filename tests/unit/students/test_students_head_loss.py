"""The fused head loss equals a dense float64 reference made by autograd, chunk by chunk or whole."""

from __future__ import annotations

import pytest
import torch
from fakes.dense_head_loss import measure_densely, relative_error
from torch import Tensor, nn

from distill.students import head_loss
from distill.students.head_loss import sum_head_loss, sum_logit_loss
from distill.students.sparse_targets import SparseTargets, add_tail, hard_targets

N, H, V, K = 13, 8, 40, 4


def make_targets(seed: int = 0, temperature: float = 1.0) -> SparseTargets:
    draw = torch.Generator().manual_seed(seed)
    ids_NK = torch.stack([torch.randperm(V, generator=draw)[:K] for _ in range(N)])
    probs_NK = torch.rand((N, K), generator=draw) + 0.01
    probs_NK *= 0.9 / probs_NK.sum(-1, keepdim=True)
    ids_NK[3, 2:], probs_NK[3, 2:] = ids_NK[3, 0], 0.0
    hard_N, soft_N = torch.rand(N, generator=draw), torch.rand(N, generator=draw)
    soft_N[5], hard_N[6] = 0.0, 0.0
    return SparseTargets(ids_NK, add_tail(probs_NK), hard_N, soft_N, temperature)


def make_head(dtype: torch.dtype = torch.float32, *, bias: bool = False) -> tuple[Tensor, nn.Linear]:
    torch.manual_seed(1)
    head = nn.Linear(H, V, bias=bias)
    return (torch.randn(N, H) * 2).to(dtype).requires_grad_(), head.to(dtype)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_loss_and_gradients_equal_the_dense_float64_reference(
    temperature: float, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(head_loss, "chunk_rows", lambda *_: chunk)
    hidden_NH, head = make_head(bias=True)
    targets = make_targets(temperature=temperature)
    loss = sum_head_loss(hidden_NH, head, targets)
    loss.backward()
    wide_NH, wide_head = make_head(torch.float64, bias=True)
    reference = measure_densely(wide_head(wide_NH), targets)
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5)
    assert relative_error(hidden_NH.grad, wide_NH.grad) < 1e-5
    assert relative_error(head.weight.grad, wide_head.weight.grad) < 1e-5
    assert relative_error(head.bias.grad, wide_head.bias.grad) < 1e-5


def test_hard_targets_are_cross_entropy():
    hidden_NH, head = make_head()
    ids_N, weight_N = torch.arange(N), torch.rand(N)
    sum_head_loss(hidden_NH, head, hard_targets(ids_N, weight_N)).backward()
    mine_NH, hidden_NH.grad = hidden_NH.grad, None
    (nn.functional.cross_entropy(head(hidden_NH), ids_N, reduction="none") * weight_N).sum().backward()
    assert relative_error(mine_NH, hidden_NH.grad.double()) < 1e-5


def test_gradient_is_p_minus_q_on_known_tokens_and_scaled_p_elsewhere():
    logits_NV = torch.randn(N, V, dtype=torch.float64, requires_grad=True)
    targets = make_targets()
    targets.hard_N, targets.soft_N = torch.zeros(N), torch.ones(N)
    sum_logit_loss(logits_NV, targets).backward()
    p_V, known = logits_NV[0].detach().softmax(-1), targets.ids_NK[0]
    q_K = targets.probs_NB[0, :-1].double()
    expected_V = p_V * (1 - (1 - q_K.sum()) / (1 - p_V[known].sum()))
    expected_V[known] = p_V[known] - q_K
    assert torch.allclose(logits_NV.grad[0], expected_V, atol=1e-9)


def test_loss_is_zero_where_the_student_has_the_teachers_buckets():
    targets = make_targets(temperature=2.0)
    targets.hard_N, targets.soft_N = torch.zeros(N), torch.ones(N)
    q_NV = (targets.probs_NB[:, -1:] / (V - K)).expand(N, V).double().clone()
    q_NV[3] = targets.probs_NB[3, -1] / (V - 2)
    q_NV.scatter_(1, targets.ids_NK.flip(1), targets.probs_NB[:, :-1].flip(1).double())
    logits_NV = q_NV.log().requires_grad_()
    loss = sum_logit_loss(logits_NV, targets)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits_NV.grad.abs().max() < 1e-6


def test_tail_gradient_survives_a_student_that_is_sure():
    logits_V = torch.zeros(1, V)
    logits_V[0, 0] = 30.0
    narrow, wide = logits_V.clone().requires_grad_(), logits_V.double().requires_grad_()
    targets = SparseTargets(torch.tensor([[0]]), torch.tensor([[0.9, 0.1]]), torch.zeros(1), torch.ones(1))
    sum_logit_loss(narrow, targets).backward()
    measure_densely(wide, targets).backward()
    assert relative_error(narrow.grad, wide.grad) < 1e-5


def test_frozen_head_gets_no_gradient_and_evaluation_keeps_nothing():
    hidden_NH, head = make_head()
    head.requires_grad_(False)
    sum_head_loss(hidden_NH, head, make_targets()).backward()
    assert head.weight.grad is None
    with torch.no_grad():
        assert not sum_head_loss(hidden_NH, head, make_targets()).requires_grad


def test_no_position_gives_no_loss_and_no_gradient():
    _, head = make_head()
    hidden_NH = torch.zeros(0, H, requires_grad=True)
    loss = sum_head_loss(hidden_NH, head, hard_targets(torch.zeros(0, dtype=torch.long), torch.zeros(0)))
    loss.backward()
    assert loss.item() == 0
    assert hidden_NH.grad.shape == (0, H)


def test_bf16_autocast_gives_gradients_of_the_parameters_own_type():
    hidden_NH, head = make_head()
    wide_NH, wide_head = make_head(torch.float64)
    targets = make_targets()
    with torch.autocast("cpu", torch.bfloat16):
        loss = sum_head_loss(hidden_NH, head, targets)
    loss.backward()
    measure_densely(wide_head(wide_NH), targets).backward()
    assert loss.dtype == head.weight.grad.dtype == torch.float32
    assert relative_error(hidden_NH.grad, wide_NH.grad) < 3e-2


def test_memory_is_bounded_by_the_chunk_not_by_the_positions(monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    targets = hard_targets(torch.zeros(N, dtype=torch.long), torch.ones(N))
    whole = SparseTargets.measure
    monkeypatch.setattr(SparseTargets, "measure", lambda self, z, at: (seen.append(len(z)), whole(self, z, at))[1])
    monkeypatch.setattr(head_loss, "CHUNK_BYTES", 4 * V * 4)
    sum_head_loss(*make_head(), targets)
    assert seen == [4, 4, 4, 1]
