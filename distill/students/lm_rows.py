"""Training rows of language-model students as ids: prompt, answer, end token; only the answer is supervised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch

from distill.errors import DataError
from distill.records.json import Json
from distill.records.training import TrainingRow
from distill.students.alignment import align
from distill.students.chat import Chat
from distill.students.config import StudentConfig
from distill.students.soft_rows import SoftRow, collate_soft, make_soft_row
from distill.students.text_encoding import pad_ids
from distill.students.token_bytes import TokenBytes, read_token_bytes
from distill.students.trainer import Batch, TeachingSet

IGNORED = -100


class EncodedRow(NamedTuple):
    """One row: `answer` ends with the end-of-answer token."""

    id: str
    prompt: list[int]
    answer: list[int]
    weight: float
    soft: SoftRow | None = None


@dataclass(slots=True)
class LmRows:
    """Encoded rows, and what became of the others."""

    pad_id: int
    rows: list[EncodedRow]
    dropped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    truncated: list[str] = field(default_factory=list[str])
    packed: bool = False

    @property
    def row_ids(self) -> list[str]:
        """Ids of the kept rows."""
        return [row.id for row in self.rows]

    @property
    def lengths(self) -> list[int]:
        """Tokens per row. The last token is a target only, never an input."""
        return [len(row.prompt) + len(row.answer) - 1 for row in self.rows]

    def collate(self, index: Sequence[int]) -> Batch:
        """Return ids_BT (inputs), targets_BT (next token, -100 where unsupervised), loss_weight_BT, and where_N.

        `where_N` are the supervised positions in the flattened batch: a GPU that had to find them would make us wait.
        With teacher distributions also those of the supervised positions, in order. Padded to the right, where a causal
        model never looks back at it, so no attention mask is needed; packed, B is 1 and positions_BT restart per row.
        """
        chosen = [self.rows[i] for i in index]
        batch = _lay_end_to_end(chosen) if self.packed else self._pad(chosen)
        batch["where"] = locate(batch["targets"])
        if any(row.soft is not None for row in chosen):
            batch |= collate_soft([row.soft or make_soft_row([None] * len(row.answer), row.answer) for row in chosen])
        return batch

    def _pad(self, chosen: Sequence[EncodedRow]) -> Batch:
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
        digest = hashlib.sha256(repr([row._replace(soft=None) for row in self.rows]).encode())
        for row in self.rows:
            for array in row.soft or ():
                digest.update(array.tobytes())
        return TeachingSet(self.lengths, self.collate, digest.hexdigest(), self.packed)

    def coverage(self) -> dict[str, Json]:
        """Say how many supervised tokens are taught by the teacher's log-probabilities, and how many by themselves."""
        tokens = sum(len(row.answer) for row in self.rows)
        soft = sum(int(row.soft.has_M.sum()) for row in self.rows if row.soft is not None)
        without = sum(row.soft is None for row in self.rows)
        return {
            "answer_tokens": tokens,
            "tokens_taught_by_logprobs": soft,
            "logprob_coverage": round(soft / tokens, 6) if tokens else 0.0,
            "rows_without_logprobs": without,
        }


def locate(targets_BT: torch.Tensor) -> torch.Tensor:
    """Return the supervised positions of a batch, counted row after row."""
    return (targets_BT.flatten() != IGNORED).nonzero()[:, 0]


def _lay_end_to_end(chosen: Sequence[EncodedRow]) -> Batch:
    ids: list[int] = []
    targets: list[int] = []
    positions: list[int] = []
    weights: list[float] = []
    for row in chosen:
        unsupervised = len(row.prompt) - 1
        ids += [*row.prompt, *row.answer[:-1]]
        targets += [IGNORED] * unsupervised + row.answer
        positions += range(unsupervised + len(row.answer))
        weights += [0.0] * unsupervised + [row.weight] * len(row.answer)
    integers = {"ids": ids, "targets": targets, "positions": positions}
    batch = {name: torch.tensor([values], dtype=torch.long) for name, values in integers.items()}
    return batch | {"loss_weight": torch.tensor([weights])}


def encode_lm_rows(rows: Sequence[TrainingRow], chat: Chat, config: StudentConfig) -> LmRows:
    """Encode rows; `overlong: truncate` cuts the beginning of the prompt, never the answer or its end token.

    Raises:
        DataError: a row is overlong under `overlong: error`.
    """
    encoded = LmRows(int(cast("int", chat.tokenizer.pad_token_id or 0)), [], packed=config.packing)
    limit = config.max_length_tokens
    tokens = read_token_bytes(chat.tokenizer) if config.reads_logprobs else None
    for row in rows:
        prompt, answer = chat.encode_prompt_end(row.prompt, limit), chat.encode_answer(row.target)
        reason = _find_fault(row, prompt, answer, chat, config)
        if reason == "truncate":
            encoded.truncated.append(row.id)
            prompt = prompt[len(prompt) + len(answer) - 1 - limit :]
        elif reason is not None:
            encoded.dropped.setdefault(reason, []).append(row.id)
            continue
        encoded.rows.append(EncodedRow(row.id, prompt, answer, row.weight, _soften(row, answer, tokens)))
    return encoded


def _soften(row: TrainingRow, answer: list[int], tokens: TokenBytes | None) -> SoftRow | None:
    if tokens is None or row.logprobs is None:
        return None
    known = align(row.logprobs, answer, tokens)
    return make_soft_row(known, answer) if any(k is not None for k in known) else None


def _find_fault(
    row: TrainingRow, prompt: list[int], answer: list[int], chat: Chat, config: StudentConfig
) -> str | None:
    if row.weight <= 0:
        return "zero_weight"
    length, limit = len(prompt) + len(answer) - 1, config.max_length_tokens
    if len(answer) > config.max_new_tokens:
        return "answer_over_max_new_tokens"
    if length <= limit:
        return None
    if config.overlong == "error":
        tokens = len(chat.encode_prompt(row.prompt)) + len(answer) - 1
        raise DataError(f"row {row.id!r} has {tokens} tokens, over max_length_tokens = {limit}")
    return "truncate" if config.overlong == "truncate" and len(answer) < limit else "overlong"
