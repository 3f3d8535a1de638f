"""The language-model student while it is trained: its head works at supervised positions only, a chunk at a time.

Letters: B rows, T positions, N supervised positions, H hidden, V vocabulary.
"""

from __future__ import annotations

from typing import cast

import peft
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distill.students.config import ObjectiveConfig
from distill.students.head_loss import Head, RowLoss, sum_head_loss, sum_logit_loss
from distill.students.lm_rows import IGNORED
from distill.students.sparse_targets import hard_targets
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
        weight_N = batch["loss_weight"][supervised_BT]
        targets = hard_targets(batch["targets"][supervised_BT], weight_N * self.objective.hard)
        return LossSum(self.loss_at(batch["ids"], supervised_BT, targets), weight_N.sum())

    def loss_at(self, ids_BT: Tensor, where_BT: Tensor, row_loss: RowLoss) -> Tensor:
        """Return the summed loss of the logits at the marked positions."""
        model = bare(self.lm)
        head = model.get_output_embeddings()
        if head is None or any(getattr(model.config, name, None) for name in _HEAD_EXTRAS):
            return sum_logit_loss(model(input_ids=ids_BT, use_cache=False).logits[where_BT], row_loss)
        hidden_BTH = model.get_decoder()(input_ids=ids_BT, use_cache=False).last_hidden_state
        return sum_head_loss(hidden_BTH[where_BT], cast("Head", head), row_loss)


def bare(lm: PreTrainedModel | peft.PeftModel) -> PreTrainedModel:
    """Return the model inside its adapters (which sit in its layers and stay at work)."""
    return cast("PreTrainedModel", lm.get_base_model() if isinstance(lm, peft.PeftModel) else lm)


def describe_dtype(model: nn.Module) -> torch.dtype:
    """Return the number type of a model's first parameter."""
    return next(model.parameters()).dtype
