"""The graphs that are exported: what goes in, what comes out, by the names that runtimes of language models expect.

A decoder takes the keys and values of the tokens before (`past_key_values.<layer>.key`, `.value`; length 0 at first)
and returns them with its own (`present.<layer>.key`, `.value`), so a token is read once.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from transformers import Cache, DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from distill.students.classifier_model import ClassifierModel


class ClassifierGraph(nn.Module):
    """Tokens -> logits, after pooling and head."""

    def __init__(self, model: ClassifierModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits_BL."""
        return self.model.logits(input_ids, attention_mask)


class CausalGraph(nn.Module):
    """New tokens beside the cache of those before -> logits and the longer cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return logits_BTV and present; the mask covers past and new tokens, and positions are counted by it."""
        positions_BT = (attention_mask.cumsum(-1) - 1).clamp_min(0)[:, -input_ids.shape[1] :]
        output: Any = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=positions_BT,
            past_key_values=fill(past),
            use_cache=True,
        )
        return cast("Tensor", output.logits), empty(output.past_key_values)


class EncoderGraph(nn.Module):
    """The source's tokens -> the keys and values that every decoder layer looks at."""

    def __init__(self, model: PreTrainedModel, start_id: int) -> None:
        super().__init__()
        self.model = model
        self.start_id = start_id

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Return them as a decoder's first step leaves them in its cache."""
        output: Any = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=input_ids[:, :1] * 0 + self.start_id,
            past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            use_cache=True,
        )
        return empty(output.past_key_values.cross_attention_cache)


class DecoderGraph(nn.Module):
    """New answer tokens beside the cache of those before and the encoder's keys and values -> logits, longer cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, decoder_input_ids: Tensor, encoder_attention_mask: Tensor, cross: list[Tensor], past: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return logits_BUV and present."""
        width = int(self.model.config.hidden_size)
        unread_BSH = cross[0].new_zeros((1,)).expand(*encoder_attention_mask.shape, width)
        output: Any = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=cast("Any", unread_BSH)),
            attention_mask=encoder_attention_mask,
            decoder_input_ids=decoder_input_ids,
            past_key_values=EncoderDecoderCache(fill(past), fill(cross)),
            use_cache=True,
        )
        return cast("Tensor", output.logits), empty(output.past_key_values.self_attention_cache)


def fill(tensors: list[Tensor]) -> DynamicCache:
    """Return a cache that holds keys and values, layer by layer."""
    return DynamicCache(zip(tensors[::2], tensors[1::2], strict=True))


def empty(cache: Cache) -> list[Tensor]:
    """Return the keys and values of a cache, layer by layer."""
    layers: list[Any] = cache.layers
    return [kept for layer in layers for kept in (layer.keys, layer.values)]


def name_cache(prefix: str, tensors: int) -> list[str]:
    """Return the names of a cache's tensors."""
    return [f"{prefix}.{i // 2}.{'value' if i % 2 else 'key'}" for i in range(tensors)]
