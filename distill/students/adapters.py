"""What is trained of a base: low-rank adapters on all linear layers, another member of the family, or everything."""

from __future__ import annotations

import re
from typing import cast

import peft
import torch
from torch import nn
from transformers import PreTrainedModel

from distill.errors import ConfigError, Problem
from distill.students.bases import ResolvedBase
from distill.students.config import LoraConfig, StudentConfig
from distill.students.quantised import compute_in, count_values

_NOT_ADAPTED = r".*\b(pooler|lm_head|score|classifier)\b.*"


def adapt(model: PreTrainedModel, lora: LoraConfig | None, base: ResolvedBase) -> PreTrainedModel | peft.PeftModel:
    """Wrap `model` so that only what `lora` names is trained; None trains all that has a part in answers.

    An encoder's own pooler has none, and several processes would wait for its gradient. The output head is never
    adapted (`modules_to_save=["lm_head"]` would untie tied embeddings).

    Raises:
        ConfigError: the targets name no module of this base, or the variant cannot run here.
    """
    if lora is None:
        model.requires_grad_(True)
        for name, module in model.named_modules():
            if name.rpartition(".")[2] == "pooler":
                module.requires_grad_(False)
        return model
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    settings = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=cast("int", lora.alpha),
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
        exclude_modules=_NOT_ADAPTED if any(re.fullmatch(_NOT_ADAPTED, name) for name in linear) else None,
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
    )
    try:
        adapted = peft.get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError([Problem("", "student.lora.targets", str(error).splitlines()[0])]) from error
    adapted = cast("peft.PeftModel", adapted)
    adapted.peft_config["default"].base_model_name_or_path = base.name
    adapted.peft_config["default"].revision = base.revision
    return adapted


def prepare_base(model: PreTrainedModel, config: StudentConfig, autocast: torch.dtype | None) -> None:
    """Set a base up for training, before adapters: its own dropout off, activations recomputed, as configured."""
    compute_in(model, autocast)
    if not config.base_dropout:
        silence_dropout(model)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})


def silence_dropout(model: nn.Module) -> None:
    """Set every dropout of `model` to zero, also those kept as a number (T5); adapters added later keep their own."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return (trainable, all) parameter counts."""
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return trainable, sum(count_values(p) for p in model.parameters())
