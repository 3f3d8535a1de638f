"""Training rows of language-model students as ids: prompt, answer, end token; only the answer is supervised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch

from distill.errors import DataError
from distill.records.training import TrainingRow
from distill.students.chat import Chat
from distill.students.config import StudentConfig
from distill.students.text_encoding import pad_ids
from distill.students.trainer import Batch, TeachingSet

IGNORED = -100


class EncodedRow(NamedTuple):
    """One row: `answer` ends with the end-of-answer token."""

    id: str
    prompt: list[int]
    answer: list[int]
    weight: float


@dataclass(slots=True)
class LmRows:
    """Encoded rows, and what became of the others."""

    pad_id: int
    rows: list[EncodedRow]
    dropped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    truncated: list[str] = field(default_factory=list[str])

    @property
    def row_ids(self) -> list[str]:
        """Ids of the kept rows."""
        return [row.id for row in self.rows]

    @property
    def lengths(self) -> list[int]:
        """Tokens per row. The last token is a target only, never an input."""
        return [len(row.prompt) + len(row.answer) - 1 for row in self.rows]

    def collate(self, index: Sequence[int]) -> Batch:
        """Return ids_BT (right-padded inputs), targets_BT (next token, -100 where unsupervised), loss_weight_BT.

        No attention mask is needed: padding lies to the right of everything a causal model looks back at.
        """
        chosen = [self.rows[i] for i in index]
        ids_BT, _ = pad_ids([[*row.prompt, *row.answer[:-1]] for row in chosen], self.pad_id)
        targets_BT = torch.full_like(ids_BT, IGNORED)
        weight_BT = torch.zeros(ids_BT.shape)
        for b, row in enumerate(chosen):
            where = slice(len(row.prompt) - 1, len(row.prompt) - 1 + len(row.answer))
            targets_BT[b, where] = torch.tensor(row.answer)
            weight_BT[b, where] = row.weight
        return {"ids": ids_BT, "targets": targets_BT, "loss_weight": weight_BT}

    def teaching(self) -> TeachingSet:
        """Return the trainer's view of these rows."""
        return TeachingSet(self.lengths, self.collate, hashlib.sha256(repr(self.rows).encode()).hexdigest())


def encode_lm_rows(rows: Sequence[TrainingRow], chat: Chat, config: StudentConfig) -> LmRows:
    """Encode rows; `overlong: truncate` cuts the beginning of the prompt, never the answer or its end token.

    Raises:
        DataError: a row is overlong under `overlong: error`.
    """
    encoded = LmRows(int(cast("int", chat.tokenizer.pad_token_id or 0)), [])
    limit = config.max_length_tokens
    for row in rows:
        prompt, answer = chat.encode_prompt(row.prompt), chat.encode_answer(row.target)
        reason = _find_fault(row, prompt, answer, config)
        if reason == "truncate":
            encoded.truncated.append(row.id)
            prompt = prompt[len(prompt) + len(answer) - 1 - limit :]
        elif reason is not None:
            encoded.dropped.setdefault(reason, []).append(row.id)
            continue
        encoded.rows.append(EncodedRow(row.id, prompt, answer, row.weight))
    return encoded


def _find_fault(row: TrainingRow, prompt: list[int], answer: list[int], config: StudentConfig) -> str | None:
    if row.weight <= 0:
        return "zero_weight"
    length, limit = len(prompt) + len(answer) - 1, config.max_length_tokens
    if len(answer) > config.max_new_tokens:
        return "answer_over_max_new_tokens"
    if length <= limit:
        return None
    if config.overlong == "error":
        raise DataError(f"row {row.id!r} has {length} tokens, over max_length_tokens = {limit}")
    return "truncate" if config.overlong == "truncate" and len(answer) < limit else "overlong"
