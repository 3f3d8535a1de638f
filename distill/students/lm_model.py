"""The language-model student while it is trained: logits are computed at supervised positions only.

Letters: B rows, T positions, N supervised positions, H hidden, V vocabulary.
"""

from __future__ import annotations

from typing import cast

import peft
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from distill.students.config import ObjectiveConfig
from distill.students.lm_rows import IGNORED
from distill.students.trainer import Batch, LossSum

_HEAD_EXTRAS = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class CausalModel(nn.Module):
    """A causal language model whose forward pass is its loss."""

    def __init__(self, lm: PreTrainedModel | peft.PeftModel, objective: ObjectiveConfig) -> None:
        """Wrap a model, adapted or not."""
        super().__init__()
        self.lm = lm
        self.objective = objective

    def forward(self, batch: Batch) -> LossSum:
        """Return the summed loss of a batch (keys: ids, targets, loss_weight)."""
        supervised_BT = batch["targets"] != IGNORED
        logits_NV = self.logits_at(batch["ids"], supervised_BT)
        target_N, weight_N = batch["targets"][supervised_BT], batch["loss_weight"][supervised_BT]
        loss_N = functional.cross_entropy(logits_NV.float(), target_N, reduction="none")
        return LossSum((loss_N * weight_N).sum() * self.objective.hard, weight_N.sum())

    def logits_at(self, ids_BT: Tensor, where_BT: Tensor) -> Tensor:
        """Return logits_NV at the marked positions."""
        model = bare(self.lm)
        head = model.get_output_embeddings()
        if head is None or any(getattr(model.config, name, None) for name in _HEAD_EXTRAS):
            return cast("Tensor", model(input_ids=ids_BT, use_cache=False).logits[where_BT])
        hidden_BTH = model.get_decoder()(input_ids=ids_BT, use_cache=False).last_hidden_state
        return cast("Tensor", head(hidden_BTH[where_BT]))


def bare(lm: PreTrainedModel | peft.PeftModel) -> PreTrainedModel:
    """Return the model inside its adapters (which sit in its layers and stay at work)."""
    return cast("PreTrainedModel", lm.get_base_model() if isinstance(lm, peft.PeftModel) else lm)


def describe_dtype(model: nn.Module) -> torch.dtype:
    """Return the number type of a model's first parameter."""
    return next(model.parameters()).dtype
