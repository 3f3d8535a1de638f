"""What a form of a student says, position by position: the one way in which forms are compared.

Letters: B rows (1 here), T positions, N answer positions, V vocabulary (or labels).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar, cast

import peft
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distill.students.classifier_model import ClassifierModel
from distill.students.lm_model import bare


class Question(NamedTuple):
    """A prompt's ids and the ids of the answer that is forced upon every form (none where answers are classes)."""

    ids: list[int]
    answer: list[int]


NumberType = Literal["float32", "bfloat16", "float16"]
"""What a model is run in."""

Reader = Callable[[Question], Tensor]
"""Returns float32 logits_NV on the CPU: at the class, or where each token of the answer is chosen."""


Model = TypeVar("Model", bound=nn.Module)


def cast_to(model: Model, number_type: NumberType) -> Model:
    """Cast a model's weights in place, so that it runs in that type."""
    model.to(getattr(torch, number_type))
    return model


def read_classifier(model: ClassifierModel) -> Reader:
    """Return the reader of a classifier."""

    def read(question: Question) -> Tensor:
        ids_BT = torch.tensor([question.ids], device=model.head.weight.device)
        with torch.inference_mode():
            return model.logits(ids_BT, torch.ones_like(ids_BT)).float().cpu()

    return read


def read_causal(lm: PreTrainedModel | peft.PeftModel) -> Reader:
    """Return the reader of a causal language model, adapted or not."""
    model = bare(lm)

    def read(question: Question) -> Tensor:
        ids_BT = torch.tensor([[*question.ids, *question.answer[:-1]]], device=model.device)
        with torch.inference_mode():
            output: Any = model(input_ids=ids_BT, attention_mask=torch.ones_like(ids_BT), use_cache=False)
        return cast("Tensor", output.logits[0, len(question.ids) - 1 :]).float().cpu()

    return read


def read_seq2seq(lm: PreTrainedModel | peft.PeftModel, start_id: int) -> Reader:
    """Return the reader of an encoder-decoder whose answers begin at `start_id`."""
    model = bare(lm)

    def read(question: Question) -> Tensor:
        ids_BT = torch.tensor([question.ids], device=model.device)
        decoder_BU = torch.tensor([[start_id, *question.answer[:-1]]], device=model.device)
        with torch.inference_mode():
            output: Any = model(
                input_ids=ids_BT, attention_mask=torch.ones_like(ids_BT), decoder_input_ids=decoder_BU, use_cache=False
            )
        return cast("Tensor", output.logits[0]).float().cpu()

    return read
