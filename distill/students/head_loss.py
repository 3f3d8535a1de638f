"""The loss of a language model's output head without its logits: one chunk of positions at a time.

The gradient is found on the way forward, from a closed form, so a training step costs two matrix products (three
where the head itself is trained) and memory for one chunk. Never call it twice for one backward pass.
Letters: N positions, C positions of one chunk, H hidden, V vocabulary.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor

CHUNK_BYTES = 80 * 2**20
"""Memory of one chunk's logits in fp32, over all the buffers a loss asks for."""


class RowLoss(Protocol):
    """A loss per position with a known gradient."""

    wide_buffers: int
    """Arrays of C x V floats that `measure` needs at once, the logits included."""

    def measure(self, logits_CV: Tensor, rows: slice) -> Tensor:
        """Return the weighted losses_C of these positions, and turn `logits_CV` into their gradient, in place."""
        ...


class Head(Protocol):
    """An output head: `weight` is (V, H), `bias` is (V,) or None."""

    weight: Tensor
    bias: Tensor | None


def sum_head_loss(hidden_NH: Tensor, head: Head, row_loss: RowLoss) -> Tensor:
    """Return the summed loss (a scalar) of the logits `head(hidden_NH)`, never holding more than a chunk of them.

    The products run in autocast's type where it is on, losses and gradients of logits in fp32 (fp64 for fp64 input).
    """
    return cast("Tensor", _HeadLoss.apply(hidden_NH, head.weight, getattr(head, "bias", None), row_loss))


def sum_logit_loss(logits_NV: Tensor, row_loss: RowLoss) -> Tensor:
    """Return the summed loss (a scalar) of logits that a model has made itself."""
    return cast("Tensor", _LogitLoss.apply(logits_NV, row_loss))


def chunk_rows(vocabulary: int, wide_buffers: int) -> int:
    """Return how many positions fit into one chunk; at least one."""
    return max(1, CHUNK_BYTES // (4 * vocabulary * wide_buffers))


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, row_loss: RowLoss) -> Tensor:
        device = hidden_NH.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_NH.dtype
        wants_hidden, wants_weight, wants_bias, _ = ctx.needs_input_grad
        with torch.autocast(device, enabled=False):
            walk = _Walk(hidden_NH.detach().to(dtype), weight_VH.detach().to(dtype), bias_V)
            walk.prepare(wants_hidden, wants_weight, wants_bias and bias_V is not None)
            total = walk.run(row_loss)
        ctx.save_for_backward(walk.grad_hidden_NH, walk.grad_weight_VH, walk.grad_bias_V)
        ctx.dtypes = (hidden_NH.dtype, weight_VH.dtype)
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outputs
        grads = [None if grad is None else grad * scale.to(grad.dtype) for grad in ctx.saved_tensors]
        dtypes = (*ctx.dtypes, ctx.dtypes[1])
        return (*(None if g is None else g.to(t) for g, t in zip(grads, dtypes, strict=True)), None)


class _LogitLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, row_loss: RowLoss) -> Tensor:
        wide_NV = logits_NV.detach().to(_wide(logits_NV.dtype), copy=True)
        step = chunk_rows(wide_NV.shape[1], row_loss.wide_buffers)
        parts = [row_loss.measure(wide_NV[at], at).sum() for at in _slices(len(wide_NV), step)]
        ctx.save_for_backward(wide_NV)
        ctx.dtype = logits_NV.dtype
        return torch.stack(parts).sum().to(wide_NV.dtype) if parts else wide_NV.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad_NV,) = ctx.saved_tensors
        return (grad_NV * outputs[0]).to(ctx.dtype), None


class _Walk:
    """One pass over the chunks, and the gradients it gathers."""

    def __init__(self, hidden_NH: Tensor, weight_VH: Tensor, bias_V: Tensor | None) -> None:
        self.hidden_NH, self.weight_VH, self.bias_V = hidden_NH, weight_VH, bias_V
        self.wide = _wide(hidden_NH.dtype)
        self.grad_hidden_NH: Tensor | None = None
        self.grad_weight_VH: Tensor | None = None
        self.grad_bias_V: Tensor | None = None

    def prepare(self, wants_hidden: bool, wants_weight: bool, wants_bias: bool) -> None:
        """Make room for the gradients that are asked for."""
        vocabulary = self.weight_VH.shape[0]
        if wants_hidden:
            self.grad_hidden_NH = torch.empty_like(self.hidden_NH)
        if wants_weight:
            self.grad_weight_VH = torch.zeros_like(self.weight_VH, dtype=self.wide)
        if wants_bias:
            self.grad_bias_V = self.weight_VH.new_zeros(vocabulary, dtype=self.wide)

    def run(self, row_loss: RowLoss) -> Tensor:
        """Return the summed loss."""
        count, vocabulary = len(self.hidden_NH), self.weight_VH.shape[0]
        step = min(chunk_rows(vocabulary, row_loss.wide_buffers), max(1, count))
        buffer_CV = self.hidden_NH.new_empty((step, vocabulary))
        total = self.hidden_NH.new_zeros((), dtype=self.wide)
        for at in _slices(count, step):
            hidden_CH = self.hidden_NH[at]
            logits_CV = torch.mm(hidden_CH, self.weight_VH.t(), out=buffer_CV[: len(hidden_CH)]).to(self.wide)
            if self.bias_V is not None:
                logits_CV += self.bias_V
            total = total + row_loss.measure(logits_CV, at).sum()
            self._gather(logits_CV, hidden_CH, at)
        return total.to(self.wide)

    def _gather(self, grad_CV: Tensor, hidden_CH: Tensor, at: slice) -> None:
        narrow_CV = grad_CV.to(self.hidden_NH.dtype)
        if self.grad_hidden_NH is not None:
            torch.mm(narrow_CV, self.weight_VH, out=self.grad_hidden_NH[at])
        if self.grad_weight_VH is not None:
            self.grad_weight_VH += torch.mm(narrow_CV.t(), hidden_CH)
        if self.grad_bias_V is not None:
            self.grad_bias_V += grad_CV.sum(0)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _slices(count: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
