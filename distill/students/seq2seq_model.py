"""The seq2seq student while it is trained: the source is encoded once and decoded twice, answer and rationale.

Distilling step by step (Hsieh et al. 2023, arXiv:2305.02301, eq. 3): L = hard L_answer + rationale L_rationale, each
the mean over its own tokens, so that a long rationale does not drown a short answer. The paper tells the two tasks
apart by a prefix of the input; here the prefix opens the rationale's decoding instead, which is why one encoding does.

Letters: B rows, T source positions, U decoded positions, V vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

import peft
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from distill.students.config import ObjectiveConfig
from distill.students.lm_model import bare
from distill.students.seq2seq_rows import IGNORED
from distill.students.sharding import name_layers
from distill.students.trainer import Batch, LossSum


class Seq2SeqModel(nn.Module):
    """An encoder-decoder whose forward pass is its loss."""

    def __init__(self, lm: PreTrainedModel | peft.PeftModel, objective: ObjectiveConfig) -> None:
        """Wrap a model, adapted or not."""
        super().__init__()
        self.lm = lm
        self.objective = objective
        self._no_split_modules = name_layers(lm)

    def forward(self, batch: Batch) -> LossSum:
        """Return the summed loss of a batch (keys as `Seq2SeqRows.collate` says)."""
        hidden_BTH = self.encode(batch["ids"], batch["mask"])
        loss_B = self.objective.hard * self._decode("answer", batch, hidden_BTH)
        if self.objective.rationale > 0:
            loss_B = loss_B + self.objective.rationale * self._decode("rationale", batch, hidden_BTH)
        return LossSum((loss_B * batch["loss_weight"]).sum(), batch["loss_weight"].sum())

    def encode(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """Return the encoder's hidden_BTH."""
        encoded: Any = bare(self.lm).get_encoder()(input_ids=ids_BT, attention_mask=mask_BT)
        return cast("Tensor", encoded.last_hidden_state)

    def decode(self, hidden_BTH: Tensor, mask_BT: Tensor, decoder_ids_BU: Tensor) -> Tensor:
        """Return logits_BUV of a decoding over an encoded source."""
        output: Any = bare(self.lm)(
            encoder_outputs=BaseModelOutput(last_hidden_state=cast("Any", hidden_BTH)),
            attention_mask=mask_BT,
            decoder_input_ids=decoder_ids_BU,
            use_cache=False,
        )
        return cast("Tensor", output.logits)

    def _decode(self, task: str, batch: Batch, hidden_BTH: Tensor) -> Tensor:
        """Return the mean cross-entropy of one task per row, 0 for rows without it.

        Without any such row one is decoded all the same: a sharded decoder runs in every process or in none.
        """
        targets_BU = batch[f"{task}_targets"]
        supervised_BU = targets_BU != IGNORED
        some_B = supervised_BU.any(1)
        loss_B = torch.zeros(len(targets_BU), device=targets_BU.device)
        some_B[0] |= ~some_B.any()
        logits_BUV = self.decode(hidden_BTH[some_B], batch["mask"][some_B], batch[f"{task}_ids"][some_B])
        loss_BU = functional.cross_entropy(
            logits_BUV.float().transpose(1, 2), targets_BU[some_B], ignore_index=IGNORED, reduction="none"
        )
        return loss_B.masked_scatter(some_B, loss_BU.sum(1) / supervised_BU[some_B].sum(1).clamp_min(1))
