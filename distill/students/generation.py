"""Greedy decoding of a batch with a key-value cache, and a confidence for each answer.

Letters: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel

from distill.records.training import Answer, Prompt
from distill.students.batching import pack_sorted
from distill.students.text_encoding import pad_ids

BATCH_TOKENS = 4096


class Generated(NamedTuple):
    """One answer: its ids without the stop token, the mean log-probability with it, and whether it stopped."""

    ids: list[int]
    mean_logprob: float
    stopped: bool

    @property
    def confidence(self) -> float:
        """The geometric mean of the answer's token probabilities, in [0, 1]."""
        return math.exp(self.mean_logprob)


Advance = Callable[[Tensor | None], Tensor]
"""Takes the tokens chosen last (B; None at first) and returns logits_BV of the next ones."""


def answer_prompts(
    prompts: Sequence[Prompt],
    encoded: Sequence[Sequence[int]],
    limit: int,
    generate: Callable[[list[Sequence[int]]], list[Generated]],
    decode: Callable[[list[int]], str],
) -> list[Answer]:
    """Answer prompts in order, batched by length; `latency_ms` is batch time / batch size.

    `error_kind` is "truncated" for an answer without an end, "overlong" for a prompt of more than `limit` tokens.
    """
    answers = [Answer(p.id, "", None, len(e), 0, 0.0, "overlong") for p, e in zip(prompts, encoded, strict=True)]
    fits = [i for i, ids in enumerate(encoded) if len(ids) <= limit]
    for batch in pack_sorted([len(encoded[i]) for i in fits], BATCH_TOKENS):
        rows = [fits[i] for i in batch]
        start = time.perf_counter()
        made = generate([encoded[i] for i in rows])
        each_ms = (time.perf_counter() - start) * 1000 / len(rows)
        for i, one in zip(rows, made, strict=True):
            kind = None if one.stopped else "truncated"
            count = len(one.ids) + one.stopped
            answers[i] = Answer(prompts[i].id, decode(one.ids), one.confidence, len(encoded[i]), count, each_ms, kind)
    return answers


def generate_packed(
    encoded: Sequence[Sequence[int]], generate: Callable[[list[Sequence[int]]], list[Generated]]
) -> list[Generated]:
    """Generate for all prompts, in order, batched by length: the cache of all of them at once may not fit."""
    made: dict[int, Generated] = {}
    for rows in pack_sorted([len(ids) for ids in encoded], BATCH_TOKENS):
        made |= zip(rows, generate([encoded[i] for i in rows]), strict=True)
    return [made[i] for i in range(len(encoded))]


def generate_greedy(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int], pad_id: int, max_new_tokens: int
) -> list[Generated]:
    """Continue all prompts together, left-padded, taking the most likely token each time."""
    ids_BT, mask_BT = (x.to(model.device) for x in pad_ids(prompts, pad_id, left=True))
    cache = DynamicCache(config=model.config)

    def advance(chosen_B: Tensor | None) -> Tensor:
        nonlocal mask_BT
        if chosen_B is not None:
            mask_BT = torch.cat([mask_BT, torch.ones_like(chosen_B[:, None])], dim=1)
        inputs_BT = ids_BT if chosen_B is None else chosen_B[:, None]
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

    return _decode(advance, stop_ids, max_new_tokens)


def generate_from_source(
    model: PreTrainedModel, sources: Sequence[Sequence[int]], start_id: int, stop_id: int, pad_id: int, limit: int
) -> list[Generated]:
    """Encode all sources once and decode from `start_id`, at most `limit` tokens, the most likely each time."""
    ids_BT, mask_BT = (x.to(model.device) for x in pad_ids(sources, pad_id))
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    first_B1 = torch.full((len(sources), 1), start_id, device=model.device)
    with torch.inference_mode():
        encoded: Any = model.get_encoder()(input_ids=ids_BT, attention_mask=mask_BT)

    def advance(chosen_B: Tensor | None) -> Tensor:
        output: Any = model(
            encoder_outputs=encoded,
            attention_mask=mask_BT,
            decoder_input_ids=first_B1 if chosen_B is None else chosen_B[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        return cast("Tensor", output.logits[:, -1])

    return _decode(advance, (stop_id,), limit)


def _decode(advance: Advance, stop_ids: Sequence[int], max_new_tokens: int) -> list[Generated]:
    tokens: list[Tensor] = []
    logprobs: list[Tensor] = []
    chosen_B: Tensor | None = None
    running_B: Tensor | None = None
    stops: Tensor | None = None
    with torch.inference_mode():
        for _ in range(max_new_tokens):
            logits_BV = advance(chosen_B)
            chosen_B = logits_BV.argmax(-1)
            stops = torch.tensor(sorted(stop_ids), device=chosen_B.device) if stops is None else stops
            logprob_B = logits_BV.float().log_softmax(-1).gather(-1, chosen_B[:, None])[:, 0]
            running_B = torch.ones_like(chosen_B, dtype=torch.bool) if running_B is None else running_B
            tokens.append(torch.where(running_B, chosen_B, -1))
            logprobs.append(torch.where(running_B, logprob_B, 0.0))
            running_B = running_B & ~torch.isin(chosen_B, stops)
            if not running_B.any():
                break
    return _collect(torch.stack(tokens, 1).tolist(), torch.stack(logprobs, 1).double().tolist(), set(stop_ids))


def _collect(tokens: list[list[int]], logprobs: list[list[float]], stops: set[int]) -> list[Generated]:
    answers: list[Generated] = []
    for row, row_logprobs in zip(tokens, logprobs, strict=True):
        made = [token for token in row if token >= 0]
        stopped = made[-1] in stops
        mean = sum(row_logprobs[: len(made)]) / len(made)
        answers.append(Generated(made[:-1] if stopped else made, min(mean, 0.0), stopped))
    return answers
