"""The trained parameters of a model, to a file and back, whole or sharded over processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def list_trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that are trained, by name, in the model's order."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def write_trainable(model: nn.Module, path: Path, *, main: bool) -> None:
    """Write the trained parameters to `path`, whole or not at all. Every process calls it; the main one writes."""
    values = {name: gather(p).cpu().contiguous() for name, p in list_trainable(model)}
    if main:
        draft = path.with_suffix(".draft")
        save_file(values, draft)
        draft.rename(path)


def read_trainable(model: nn.Module, path: Path) -> None:
    """Put the parameters that `write_trainable` wrote into the model."""
    saved = load_file(path)
    with torch.no_grad():
        for name, parameter in list_trainable(model):
            parameter.copy_(_spread(saved[name], parameter))


def gather(parameter: Tensor) -> Tensor:
    """Return a parameter's whole value; where it is sharded, every process has to call this."""
    value = parameter.detach()
    return value.full_tensor() if isinstance(value, DTensor) else value


def make_whole(model: nn.Module) -> None:
    """Replace sharded parameters by whole ones on the CPU, to be saved. The model cannot be run afterwards.

    Every process has to call this. Tied parameters stay tied.
    """
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if isinstance(parameter.detach(), DTensor):
                if id(parameter) not in made:
                    made[id(parameter)] = nn.Parameter(gather(parameter).cpu(), parameter.requires_grad)
                module.register_parameter(name, made[id(parameter)])


def _spread(value: Tensor, like: nn.Parameter) -> Tensor:
    local: Any = like.detach()
    if not isinstance(local, DTensor):
        return value
    return cast("Tensor", distribute_tensor(value.to(local.device), local.device_mesh, local.placements))
