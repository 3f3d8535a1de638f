"""The language-model student while it is trained: its head works at supervised positions only, a chunk at a time.

Letters: B rows, T positions, N supervised positions, H hidden, V vocabulary, X either of the last two.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import peft
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distill.students.config import ObjectiveConfig
from distill.students.full_targets import FullTargets
from distill.students.head_loss import Head, RowLoss, sum_head_loss, sum_logit_loss
from distill.students.sharding import name_layers
from distill.students.sparse_targets import SparseTargets, hard_targets
from distill.students.trainer import Batch, LossSum

_HEAD_EXTRAS = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class HeadInput(NamedTuple):
    """What goes into a model's output head at some positions; logits where `head` is None."""

    given_NX: Tensor
    head: Head | None


class CausalModel(nn.Module):
    """A causal language model whose forward pass is its loss."""

    def __init__(
        self,
        lm: PreTrainedModel | peft.PeftModel,
        objective: ObjectiveConfig,
        teacher: PreTrainedModel | None = None,
    ) -> None:
        """Wrap a model, adapted or not. A local `teacher` is consulted, and never part of what is trained or saved."""
        super().__init__()
        self.lm = lm
        self.objective = objective
        self._teacher = (teacher,)
        self._no_split_modules = name_layers(lm)

    @property
    def companions(self) -> list[PreTrainedModel]:
        """The local teacher, if there is one: it works beside this model and is no part of it."""
        return [teacher for teacher in self._teacher if teacher is not None]

    def forward(self, batch: Batch) -> LossSum:
        """Return the summed loss of a batch as `LmRows.collate` makes it."""
        row_loss = self.make_targets(batch)
        given_NX, head = run_decoder(bare(self.lm), batch, batch["where"])
        loss = sum_logit_loss(given_NX, row_loss) if head is None else sum_head_loss(given_NX, head, row_loss)
        return LossSum(loss, pick(batch["loss_weight"], batch["where"]).sum())

    def make_targets(self, batch: Batch) -> RowLoss:
        """Return what each supervised position is taught; without a distribution, its token at full weight."""
        hard, soft, t = self.objective.hard, self.objective.soft, self.objective.temperature
        ids_N, weight_N = (pick(batch[name], batch["where"]) for name in ("targets", "loss_weight"))
        (teacher,) = self._teacher
        if teacher is not None and soft > 0:
            with torch.no_grad():
                given_NX, head = run_decoder(teacher, batch, batch["where"])
            return FullTargets(given_NX, head, ids_N, weight_N * hard, weight_N * soft, t, self.objective.divergence)
        if "soft_ids" not in batch:
            return hard_targets(ids_N, weight_N * (hard + soft))
        soft_N = weight_N * soft * batch["has_soft"]
        return SparseTargets(
            batch["soft_ids"], batch["soft_probs"], weight_N * (hard + soft) - soft_N, soft_N, temperature=t
        )


def run_decoder(model: PreTrainedModel, batch: Batch, where_N: Tensor) -> HeadInput:
    """Run a model up to its output head, and return the head's input at these positions of the flattened batch."""
    head = model.get_output_embeddings()
    inputs = {"input_ids": batch["ids"], "use_cache": False}
    if "positions" in batch:
        inputs["position_ids"] = batch["positions"]
    if head is None or any(getattr(model.config, name, None) for name in _HEAD_EXTRAS):
        return HeadInput(pick(model(**inputs).logits, where_N), None)
    return HeadInput(pick(model.get_decoder()(**inputs).last_hidden_state, where_N), cast("Head", head))


def pick(values: Tensor, where_N: Tensor) -> Tensor:
    """Return the values (B, T, ...) at positions of the flattened batch."""
    return values.flatten(0, 1).index_select(0, where_N)


def bare(lm: PreTrainedModel | peft.PeftModel) -> PreTrainedModel:
    """Return the model inside its adapters (which sit in its layers and stay at work)."""
    return cast("PreTrainedModel", lm.get_base_model() if isinstance(lm, peft.PeftModel) else lm)
