"""Prompts to token ids for encoder students, and ids to padded tensors. Letters: B rows, T positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from distill.records.training import Prompt
from distill.students.config import StudentConfig


def join_prompt(prompt: Prompt) -> str:
    """Return the text an encoder reads: the system part, a blank line, the user part."""
    return prompt.user if prompt.system is None else f"{prompt.system}\n\n{prompt.user}"


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Return the ids of one prompt."""
    return encode_texts(tokenizer, [join_prompt(prompt)])[0]


def encode_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return token ids of each text with the base's special tokens, never truncated."""
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=True, truncation=False, padding=False, verbose=False)
    return cast("list[list[int]]", encoded["input_ids"])


def limit_tokens(config: StudentConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many tokens of a prompt an encoder reads: as many as are configured and as its base can."""
    return min(config.max_length_tokens, tokenizer.model_max_length)


def truncate_ids(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], limit: int) -> list[int]:
    """Cut ids to `limit` tokens, keeping a closing special token."""
    if len(ids) <= limit:
        return list(ids)
    closing = ids[-1] if ids[-1] in tokenizer.all_special_ids else None
    return [*ids[: limit - 1], closing] if closing is not None else list(ids[:limit])


def pad_ids(rows: Sequence[Sequence[int]], pad_id: int, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Return (ids_BT, mask_BT) as int64, padded to the longest row."""
    longest = max(len(row) for row in rows)
    ids_BT = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask_BT = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        where = slice(longest - len(row), longest) if left else slice(0, len(row))
        ids_BT[i, where] = torch.tensor(row, dtype=torch.long)
        mask_BT[i, where] = 1
    return ids_BT, mask_BT
