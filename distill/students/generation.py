"""Greedy decoding of a batch with a key-value cache, and a confidence for each answer.

Letters: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from distill.students.text_encoding import pad_ids


class Generated(NamedTuple):
    """One answer: its ids without the stop token, the mean log-probability with it, and whether it stopped."""

    ids: list[int]
    mean_logprob: float
    stopped: bool

    @property
    def confidence(self) -> float:
        """The geometric mean of the answer's token probabilities, in [0, 1]."""
        return math.exp(self.mean_logprob)


def generate_greedy(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int], pad_id: int, max_new_tokens: int
) -> list[Generated]:
    """Decode all prompts together, left-padded, taking the most likely token each time."""
    device = model.device
    ids_BT, mask_BT = (x.to(device) for x in pad_ids(prompts, pad_id, left=True))
    cache = DynamicCache(config=model.config)
    stops = torch.tensor(sorted(stop_ids), device=device)
    running_B = torch.ones(len(prompts), dtype=torch.bool, device=device)
    tokens: list[Tensor] = []
    logprobs: list[Tensor] = []
    with torch.inference_mode():
        inputs_BT = ids_BT
        for _ in range(max_new_tokens):
            logits_BV = _advance(model, inputs_BT, mask_BT, cache)
            best_B = logits_BV.argmax(-1)
            logprob_B = logits_BV.float().log_softmax(-1).gather(-1, best_B[:, None])[:, 0]
            tokens.append(torch.where(running_B, best_B, -1))
            logprobs.append(torch.where(running_B, logprob_B, 0.0))
            running_B = running_B & ~torch.isin(best_B, stops)
            if not running_B.any():
                break
            inputs_BT = best_B[:, None]
            mask_BT = torch.cat([mask_BT, torch.ones_like(inputs_BT)], dim=1)
    return _collect(torch.stack(tokens, 1).tolist(), torch.stack(logprobs, 1).double().tolist(), set(stop_ids))


def _advance(model: PreTrainedModel, inputs_BT: Tensor, mask_BT: Tensor, cache: DynamicCache) -> Tensor:
    positions_BT = (mask_BT.cumsum(-1) - 1).clamp_min(0)[:, -inputs_BT.shape[1] :]
    output: Any = model(
        input_ids=inputs_BT,
        attention_mask=mask_BT,
        position_ids=positions_BT,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return cast("Tensor", output.logits[:, -1])


def _collect(tokens: list[list[int]], logprobs: list[list[float]], stops: set[int]) -> list[Generated]:
    answers: list[Generated] = []
    for row, row_logprobs in zip(tokens, logprobs, strict=True):
        made = [token for token in row if token >= 0]
        stopped = made[-1] in stops
        mean = sum(row_logprobs[: len(made)]) / len(made)
        answers.append(Generated(made[:-1] if stopped else made, min(mean, 0.0), stopped))
    return answers
