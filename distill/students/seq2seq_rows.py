"""Training rows of seq2seq students as ids: one source, the answer, and where there is one the teacher's rationale."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from distill.errors import DataError
from distill.records.training import TrainingRow
from distill.students.config import StudentConfig
from distill.students.long_texts import encode_heads
from distill.students.text_encoding import encode_prompt, join_prompt, limit_tokens, pad_ids, truncate_ids
from distill.students.trainer import Batch, TeachingSet

IGNORED = -100
EXPLAIN = "explain: "
"""What the decoder is given, unsupervised, before a rationale; an answer follows the start token at once."""


class Codes(NamedTuple):
    """The special ids of a base: what a decoder starts from, what ends every target, what pads."""

    start: int
    end: int
    pad: int


class EncodedPair(NamedTuple):
    """One row; `answer` and `rationale` end with the end token, an empty `rationale` is none."""

    id: str
    source: list[int]
    answer: list[int]
    rationale: list[int]
    weight: float


@dataclass(slots=True)
class Seq2SeqRows:
    """Encoded rows, and what became of the others. `rationale_left_out`: taught by their answer alone."""

    codes: Codes
    explain: list[int]
    rows: list[EncodedPair]
    dropped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    truncated: list[str] = field(default_factory=list[str])
    rationale_left_out: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def row_ids(self) -> list[str]:
        """Ids of the kept rows."""
        return [row.id for row in self.rows]

    @property
    def lengths(self) -> list[int]:
        """Tokens per row: source and all that is decoded."""
        return [len(row.source) + len(row.answer) + len(row.rationale) for row in self.rows]

    def collate(self, index: Sequence[int]) -> Batch:
        """Return the source (ids, mask), both decodings (`*_ids`, `*_targets`) and a weight per row."""
        chosen = [self.rows[i] for i in index]
        ids_BT, mask_BT = pad_ids([row.source for row in chosen], self.codes.pad)
        answer_ids, answer_targets = self._shift([row.answer for row in chosen], [])
        why_ids, why_targets = self._shift([row.rationale for row in chosen], self.explain)
        return {
            "ids": ids_BT,
            "mask": mask_BT,
            "answer_ids": answer_ids,
            "answer_targets": answer_targets,
            "rationale_ids": why_ids,
            "rationale_targets": why_targets,
            "loss_weight": torch.tensor([row.weight for row in chosen]),
        }

    def _shift(self, targets: Sequence[list[int]], given: list[int]) -> tuple[Tensor, Tensor]:
        start = [self.codes.start, *given]
        ids_BT, _ = pad_ids([[*start, *target[:-1]] for target in targets], self.codes.pad)
        targets_BT = torch.full_like(ids_BT, IGNORED)
        for b, target in enumerate(targets):
            targets_BT[b, len(given) : len(given) + len(target)] = torch.tensor(target, dtype=torch.long)
        return ids_BT, targets_BT

    def teaching(self) -> TeachingSet:
        """Return the trainer's view of these rows."""
        text = repr((self.explain, self.rows))
        return TeachingSet(self.lengths, self.collate, hashlib.sha256(text.encode()).hexdigest())


def encode_seq2seq_rows(
    rows: Sequence[TrainingRow], tokenizer: PreTrainedTokenizerBase, codes: Codes, config: StudentConfig
) -> Seq2SeqRows:
    """Encode rows; `overlong: truncate` cuts the end of the source, never the answer or its end token.

    A vocabulary that cannot write an answer (T5's has no braces) would teach the unknown token: such rows are dropped
    by the reason `answer_not_in_vocabulary`.

    Raises:
        DataError: a row is overlong under `overlong: error`.
    """
    limit = limit_tokens(config, tokenizer)
    encoded = Seq2SeqRows(codes, encode_target(tokenizer, EXPLAIN, codes)[:-1], [])
    sources = encode_heads(tokenizer, [join_prompt(row.prompt) for row in rows], limit)
    for row, source in zip(rows, sources, strict=True):
        answer = encode_target(tokenizer, row.target, codes)
        reason = _find_fault(row, source, answer, limit, tokenizer, config)
        if reason == "truncate":
            encoded.truncated.append(row.id)
        elif reason is not None:
            encoded.dropped.setdefault(reason, []).append(row.id)
            continue
        rationale = _encode_rationale(row, tokenizer, encoded, limit) if config.objective.rationale > 0 else []
        encoded.rows.append(EncodedPair(row.id, truncate_ids(tokenizer, source, limit), answer, rationale, row.weight))
    return encoded


def encode_target(tokenizer: PreTrainedTokenizerBase, text: str, codes: Codes) -> list[int]:
    """Return the ids of a text to be decoded, closed by the end token."""
    encoded = tokenizer(text, add_special_tokens=False, truncation=False, padding=False, verbose=False)
    return [*cast("list[int]", encoded["input_ids"]), codes.end]


def _find_fault(
    row: TrainingRow,
    source: list[int],
    answer: list[int],
    limit: int,
    tokenizer: PreTrainedTokenizerBase,
    config: StudentConfig,
) -> str | None:
    if row.weight <= 0:
        return "zero_weight"
    if len(answer) > config.max_new_tokens:
        return "answer_over_max_new_tokens"
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in answer:
        return "answer_not_in_vocabulary"
    if len(source) <= limit:
        return None
    if config.overlong == "error":
        tokens = len(encode_prompt(tokenizer, row.prompt))
        raise DataError(f"row {row.id!r} has {tokens} tokens, over max_length_tokens = {limit}")
    return "truncate" if config.overlong == "truncate" else "overlong"


def _encode_rationale(
    row: TrainingRow, tokenizer: PreTrainedTokenizerBase, encoded: Seq2SeqRows, limit: int
) -> list[int]:
    if row.rationale is None or not row.rationale.strip():
        encoded.rationale_left_out.setdefault("none_given", []).append(row.id)
        return []
    ids = encode_target(tokenizer, row.rationale, encoded.codes)
    if len(ids) > limit:
        encoded.rationale_left_out.setdefault("overlong", []).append(row.id)
        return []
    return ids
