"""A model sharded over processes (FSDP2): what may be asked for, how it computes, and the way back to a plain model.

Between two optimizer steps the truth lies in the shards. A forward pass without a backward one leaves the outermost
parameters gathered, as copies; `settle` drops these before anything is read or written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from distill.errors import ConfigError, Problem

_ON = ("1", "true", "yes", "on")
_REFUSED = {
    "FSDP_OFFLOAD_PARAMS": "parameters on the CPU cannot be gathered again when the student is saved",
    "FSDP_ACTIVATION_CHECKPOINTING": "it renames the layers that are saved; set student.gradient_checkpointing",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "the checks before a training look at the base's weights in every process",
}
"""Variable of accelerate -> why it cannot be on here."""


def is_asked_for() -> bool:
    """Say whether the launcher asked for sharding."""
    return _is_on("ACCELERATE_USE_FSDP")


def check_settings() -> None:
    """Refuse what accelerate can be asked for and what would fail, or train something else, here.

    Raises:
        ConfigError: such a variable is set; the message names all of them.
    """
    if not is_asked_for():
        return
    found = [f"{name}: {why}" for name, why in _REFUSED.items() if _is_on(name)]
    if os.environ.get("FSDP_VERSION", "1") != "2":
        found.insert(0, "FSDP_VERSION must be 2 (FSDP1 holds flat pieces, of which no student can be read)")
    if found:
        raise ConfigError([Problem("", "runtime", f"FSDP cannot be used as set: {problem}") for problem in found])


def refuse_unsharded() -> ConfigError:
    """Return the error for a training whose model accelerate left whole in each process, without a word."""
    message = "FSDP shards models over GPUs only, and this training is on CPUs; leave FSDP=1 out"
    return ConfigError([Problem("", "runtime.device", message)])


def choose_precision() -> MixedPrecisionPolicy:
    """Return how a sharded model computes: as an unsharded one, in autocast's type over whole fp32 weights.

    What accelerate would choose rounds batches, losses and gradient sums to bf16 as well.
    """
    return MixedPrecisionPolicy()


def name_layers(model: nn.Module) -> list[str]:
    """Return the class names of the layers that are gathered one at a time: those that `model` says it is made of."""
    present = {type(module).__name__ for module in model.modules()}
    return sorted(set(cast("Any", getattr(model, "_no_split_modules", None)) or ()) & present)


def settle(model: nn.Module) -> None:
    """Let the parameters of a sharded model be its shards again."""
    for module in _sharded(model):
        module.reshard()


def gather(parameter: Tensor) -> Tensor:
    """Return a parameter's whole value; where it is sharded, every process has to call this."""
    value = parameter.detach()
    return value.full_tensor() if isinstance(value, DTensor) else value


def make_whole(model: nn.Module) -> None:
    """Turn a sharded model into the plain one it was, on its device; other models are left alone.

    Every process has to call this, and from then on each can run its model without the others. Tied parameters stay
    tied.
    """
    settle(model)
    for module in list(_sharded(model)):
        state: Any = cast("Any", fully_shard).state(module)
        state._pre_forward_hook_handle.remove()  # noqa: SLF001 torch has no public way back
        state._post_forward_hook_handle.remove()  # noqa: SLF001 the same
        module.__class__ = type(module).__mro__[2]  # FSDPModule says that its original class is there
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if isinstance(parameter.detach(), DTensor):
                if id(parameter) not in made:
                    made[id(parameter)] = nn.Parameter(gather(parameter), parameter.requires_grad)
                module.register_parameter(name, made[id(parameter)])


def _sharded(model: nn.Module) -> Iterator[FSDPModule]:
    return (cast("FSDPModule", module) for module in model.modules() if isinstance(module, FSDPModule))


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in _ON
