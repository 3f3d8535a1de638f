"""The base of a QLoRA student: 4-bit weights while it trains, the same values as plain matrices ever after.

NormalFloat with double quantisation (Dettmers et al. 2023, arXiv:2305.14314). Weights are always quantised on the CPU,
so that a student trained on a GPU stands on the same values wherever it is read back.
"""

from __future__ import annotations

import importlib.util
from typing import Any, cast

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from distill.errors import ConfigError, MissingExtraError, Problem
from distill.students.config import StudentConfig
from distill.students.sharding import is_asked_for

BLOCK = 64
"""Weights that share a scale. bitsandbytes 0.50.2 reads rows that are no multiple of it wrongly on a CPU (measured)."""


def is_quantised(config: StudentConfig) -> bool:
    """Say whether the student stands on a base in 4 bits."""
    return config.lora is not None and config.lora.variant == "qlora"


def quantise_on_load() -> dict[str, Any]:
    """Return what `from_pretrained` needs to put every linear layer but the output head into 4 bits.

    Raises:
        MissingExtraError: bitsandbytes is not installed.
        ConfigError: the model is to be sharded.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("bitsandbytes", "qlora")
    if is_asked_for():
        message = "qlora cannot be sharded (FSDP=1): a base in 4 bits is small; use several processes without FSDP"
        raise ConfigError([Problem("", "student.lora.variant", message)])
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return {"quantization_config": four_bits, "device_map": {"": "cpu"}}


def check_widths(model: nn.Module) -> None:
    """Refuse a base with 4-bit layers whose rows are no whole blocks.

    Raises:
        ConfigError: it has such layers; the message names the first.
    """
    for name, module in model.named_modules():
        width = getattr(module, "in_features", BLOCK)
        if type(module).__name__ == "Linear4bit" and width % BLOCK:
            message = (f"qlora needs layers with a multiple of {BLOCK} inputs, and {name} has {width}: "
                       "the library would misread its 4 bits on a CPU; use lora")  # fmt: skip
            raise ConfigError([Problem("", "student.lora.variant", message)])


def compute_in(model: nn.Module, dtype: torch.dtype | None) -> None:
    """Let 4-bit layers compute in `dtype` (None: fp32), and in it alone: on some CPUs they would switch to bf16."""
    for module in model.modules():
        if type(module).__name__ == "Linear4bit" and hasattr(module, "compute_dtype"):
            layer = cast("Any", module)
            layer.compute_dtype, layer.compute_type_is_set = dtype or torch.float32, True
            layer.support_avx512bf16_for_cpu = False


def dequantise(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model with plain matrices, which hold the values that the 4-bit ones stood for."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        return cast("PreTrainedModel", cast("Any", model).dequantize(dtype=torch.float32))
    finally:
        transformers_logging.set_verbosity(level)


def count_values(parameter: nn.Parameter) -> int:
    """Return how many numbers a parameter stands for; in 4 bits it holds two of them a byte."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(torch.Size(state.shape).numel())
