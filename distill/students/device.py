"""Which device and number type a student runs on: bf16 on a GPU that has it, fp32 elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import torch

from distill.errors import ConfigError, Problem


class Placement(NamedTuple):
    """Where tensors live and which type autocast uses (None: fp32 throughout)."""

    device: torch.device
    autocast: torch.dtype | None


def place(device: str) -> Placement:
    """Turn the `runtime.device` setting into a device that exists.

    Raises:
        ConfigError: the device is unknown or not on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ConfigError([Problem("", "runtime.device", f"{device!r} is not a device")]) from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError([Problem("", "runtime.device", f"{device!r} was asked for and this machine has no CUDA GPU")])
    bf16 = wanted.type == "cuda" and torch.cuda.is_bf16_supported()
    return Placement(wanted, torch.bfloat16 if bf16 else None)
