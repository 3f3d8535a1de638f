"""The trained parameters of a model, to a file and back, whole or sharded over processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from distill.students.sharding import gather, settle


def list_trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that are trained, by name, in the model's order."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def write_trainable(model: nn.Module, path: Path, *, main: bool) -> None:
    """Write the trained parameters to `path`, whole or not at all. Every process calls it; the main one writes."""
    settle(model)
    values: dict[str, Tensor] = {}
    for name, parameter in list_trainable(model):
        value = gather(parameter)
        if main:
            values[name] = value.cpu().contiguous()
    if main:
        draft = path.with_suffix(".draft")
        save_file(values, draft)
        draft.rename(path)


def read_trainable(model: nn.Module, path: Path) -> None:
    """Put the parameters that `write_trainable` wrote into the model."""
    settle(model)
    saved = load_file(path)
    with torch.no_grad():
        for name, parameter in list_trainable(model):
            parameter.copy_(_spread(saved[name], parameter))


def _spread(value: Tensor, like: nn.Parameter) -> Tensor:
    local: Any = like.detach()
    if not isinstance(local, DTensor):
        return value
    return cast("Tensor", distribute_tensor(value.to(local.device), local.device_mesh, local.placements))
