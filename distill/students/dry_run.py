"""What a batch takes in memory, found by running it on parameters that have shapes and types but no memory.

Every operation of the forward and the backward pass is the one that training will run; what is alive at once is added
up. The batch itself is real, so masks and supervised positions fall as they will in training.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import structlog
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from distill.students.device import Placement
from distill.students.trainer import Batch, LossSum

_BY_INDEX = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)


def count_peak_bytes(model: nn.Module, batch: Batch, placement: Placement, *, train: bool) -> int | None:
    """Return the most bytes alive at once beside the parameters while a batch is learned from (or only evaluated).

    Gradients are among them, an optimizer's state is not. None where the model does what cannot be done without values
    (it looks at what it has computed). Neither the model nor the random numbers to come are changed.
    """
    device, autocast = placement
    given = {name: value.to(device) for name, value in batch.items()}
    models = [model, *list_companions(model)]
    with _imagine(models) as parameters, _in_mode(model, train=train), _Meter(parameters) as meter:
        try:
            with torch.autocast(device.type, autocast, enabled=autocast is not None), torch.set_grad_enabled(train):
                summed = cast("LossSum", model(given))
            if train:
                (summed.loss / summed.weight).backward()
        except (RuntimeError, ValueError, TypeError) as error:
            structlog.get_logger(__name__).warning("memory_unknown", reason=str(error).partition("\n")[0])
            return None
    return meter.peak


def list_companions(model: nn.Module) -> Sequence[nn.Module]:
    """Return the models that work beside this one without being part of it (a local teacher)."""
    return cast("Sequence[nn.Module]", getattr(model, "companions", ()))


@contextmanager
def _imagine(models: Sequence[nn.Module]) -> Generator[list[Tensor]]:
    """Put tensors without memory in the place of all parameters and buffers, and the true ones back."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    imagined: dict[int, Tensor] = {}
    replaced: list[tuple[dict[str, Any], str, Tensor]] = []
    try:
        for store, name, value in _list_slots(models):
            if id(value) not in imagined:
                imagined[id(value)] = _imagine_one(mode, value)
            replaced.append((store, name, value))
            store[name] = imagined[id(value)]
        yield list(imagined.values())
    finally:
        for store, name, value in replaced:
            store[name] = value


def _imagine_one(mode: FakeTensorMode, value: Tensor) -> Tensor:
    """Return a tensor like this one; what 4-bit weights know of themselves goes along."""
    if type(value) in (Tensor, nn.Parameter):
        return mode.from_tensor(value)
    imagined = mode.from_tensor(value.detach().as_subclass(Tensor)).requires_grad_(value.requires_grad)
    vars(imagined).update(vars(value))
    return imagined


def _list_slots(models: Sequence[nn.Module]) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    for model in models:
        for module in model.modules():
            for store in _slots(module):
                yield from ((store, name, value) for name, value in list(store.items()) if value is not None)


def _slots(module: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 see below
    """Return where a module holds parameters and buffers: it takes no tensor of another class in any other way."""
    return module._parameters, module._buffers  # noqa: SLF001


@contextmanager
def _in_mode(model: nn.Module, *, train: bool) -> Generator[None]:
    before = [(module, module.training) for module in model.modules()]
    model.train(train)
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


class _Meter(TorchDispatchMode):
    """Adds up the storages of tensors without memory, from when one is made until the last tensor on it is gone."""

    def __init__(self, known: Sequence[Tensor]) -> None:
        super().__init__()
        self.alive = {_key(tensor) for tensor in known}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 torch's
        if func in _BY_INDEX and isinstance(args[0], FakeTensor):
            args = (args[0], _count_out(args[1]), *args[2:])
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, FakeTensor):
                self._add(leaf)
        return made

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = _key(tensor), storage.nbytes()
        if key not in self.alive:
            self.alive.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget(key, size))

    def _forget(self, key: int, size: int) -> Callable[[], None]:
        def forget() -> None:
            self.alive.discard(key)
            self.now -= size

        return forget


def _key(tensor: Tensor) -> int:
    storage: Any = tensor.untyped_storage()
    return storage._cdata  # noqa: SLF001 the one name under which two tensors on the same memory are known


def _count_out(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Turn masks into the positions that they mark: how many those are decides the shape of the result."""
    found: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype != torch.bool or isinstance(index, FakeTensor):
            found.append(index)
        else:
            found += index.nonzero(as_tuple=True)
    return found
