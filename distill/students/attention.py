"""Which kernel computes attention while a student is trained; what it computes is the same to rounding."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager

from transformers import PreTrainedModel

from distill.errors import ConfigError, Problem
from distill.records.runtime import Attention

_PACKAGES = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
"""Kernel -> the module that brings it. Without it transformers would fetch code from the hub, unpinned."""


@contextmanager
def attend_by(model: PreTrainedModel, wanted: Attention) -> Generator[None]:
    """Let `model` compute attention by `wanted` (auto: as it does), and as before afterwards.

    Flash kernels take bf16 alone, which autocast gives them; the student's answers after training are in fp32.

    Raises:
        ConfigError: the kernel is not installed, or the base cannot use it.
    """
    before = _read(model)
    if wanted in ("auto", before):
        yield
        return
    package = _PACKAGES.get(wanted)
    if package is not None and importlib.util.find_spec(package) is None:
        raise _refuse(f"{wanted} needs the module {package}, which is not installed")
    try:
        model.set_attn_implementation(wanted)
    except (ImportError, ValueError) as error:
        raise _refuse(str(error).splitlines()[0]) from error
    if _read(model) != wanted:
        raise _refuse(f"{type(model).__name__} cannot compute attention by {wanted}")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _read(model: PreTrainedModel) -> str:
    return str(getattr(model.config, "_attn_implementation"))  # noqa: B009 it has no public reader


def _refuse(message: str) -> ConfigError:
    return ConfigError([Problem("", "runtime.attention", message)])
