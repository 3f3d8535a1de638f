"""The classifier network: an encoder, pooling, and a linear head that is always trained.

Letters: B rows, T positions, H hidden, L labels.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.errors import ConfigError, Problem
from distill.students.config import ObjectiveConfig, StudentConfig
from distill.students.losses import label_loss_sum, multi_label_loss_sum
from distill.students.sharding import name_layers
from distill.students.trainer import Batch, LossSum


class ClassifierModel(nn.Module):
    """Encoder -> pooled (and normalised, scaled) features -> linear head."""

    def __init__(self, encoder: nn.Module, hidden: int, labels: int, config: StudentConfig, *, multi: bool) -> None:
        """Wrap `encoder` (width `hidden`); the head starts at zero, so the first prediction is uniform."""
        super().__init__()
        self.encoder = encoder
        self._no_split_modules = name_layers(encoder)
        self.head = nn.Linear(hidden, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.pooling: Literal["mean", "first", "last"] = config.pooling
        self.scale = config.feature_scale if config.normalise else None
        self.objective: ObjectiveConfig = config.objective
        self.multi = multi

    def features(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Return pooled features_BH, before the head."""
        hidden_BTH = cast("Tensor", self.encoder(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state)
        pooled_BH = pool(hidden_BTH, mask_BT, self.pooling)
        return pooled_BH if self.scale is None else functional.normalize(pooled_BH, dim=-1) * self.scale

    def logits(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Return logits_BL."""
        return cast("Tensor", self.head(self.features(ids_BT, mask_BT).to(self.head.weight.dtype)))

    def forward(self, batch: Batch) -> LossSum:
        """Return the summed loss of a batch (keys: ids, mask, hard, soft, has_soft, loss_weight)."""
        logits_BL = self.logits(batch["ids"], batch["mask"]).float()
        measure = multi_label_loss_sum if self.multi else label_loss_sum
        weight_B = batch["loss_weight"]
        loss = measure(logits_BL, batch["hard"], batch["soft"], batch["has_soft"], weight_B, self.objective)
        return LossSum(loss, weight_B.sum())


def check_pooling(encoder: nn.Module, pooling: str) -> None:
    """Refuse `first` where the base reads from left to right: its first position sees nothing of the row but itself.

    Raises:
        ConfigError: it is such a base.
    """
    if pooling != "first":
        return
    rows_BT = torch.tensor([[1, 2, 3], [1, 2, 4]], device=next(encoder.parameters()).device)
    encoder.eval()
    with torch.no_grad():
        hidden_BTH = cast(
            "Tensor", encoder(input_ids=rows_BT, attention_mask=torch.ones_like(rows_BT)).last_hidden_state
        )
    if torch.equal(hidden_BTH[0, 0], hidden_BTH[1, 0]):
        message = "first sees the first token alone, because this base reads from left to right; use last or mean"
        raise ConfigError([Problem("", "student.pooling", message)])


def pool(hidden_BTH: Tensor, mask_BT: Tensor, how: Literal["mean", "first", "last"]) -> Tensor:
    """Reduce token features to one vector per row, looking at unmasked positions only."""
    if how == "mean":
        weight_BT1 = mask_BT[..., None].to(hidden_BTH.dtype)
        return (hidden_BTH * weight_BT1).sum(1) / weight_BT1.sum(1).clamp_min(1)
    positions_T = torch.arange(mask_BT.shape[1], device=mask_BT.device)
    marked_BT = torch.where(mask_BT.bool(), positions_T, -1 if how == "last" else mask_BT.shape[1])
    index_B = marked_BT.amax(1) if how == "last" else marked_BT.amin(1)
    rows_B = torch.arange(hidden_BTH.shape[0], device=hidden_BTH.device)
    return hidden_BTH[rows_B, index_B]
