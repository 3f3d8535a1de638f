"""Training rows of label tasks as tensors: ids, hard and soft targets, weights; drops counted and named."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from distill.errors import DataError
from distill.records.training import TrainingRow
from distill.students.config import StudentConfig
from distill.students.long_texts import encode_heads
from distill.students.text_encoding import encode_prompt, join_prompt, limit_tokens, pad_ids, truncate_ids
from distill.students.trainer import Batch, TeachingSet

Floats = NDArray[np.float32]


@dataclass(slots=True)
class LabelRows:
    """Encoded rows. `hard_NL` is 0/1, `soft_NL` holds probabilities where `has_soft_N` is True."""

    pad_id: int
    row_ids: list[str]
    ids: list[list[int]]
    hard_NL: Floats
    soft_NL: Floats
    has_soft_N: NDArray[np.bool_]
    weight_N: Floats
    dropped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    truncated: list[str] = field(default_factory=list[str])

    @property
    def lengths(self) -> list[int]:
        """Tokens per row."""
        return [len(row) for row in self.ids]

    def collate(self, rows: Sequence[int]) -> Batch:
        """Return the padded batch of these row indices."""
        index = np.asarray(rows)
        ids_BT, mask_BT = pad_ids([self.ids[row] for row in rows], self.pad_id)
        return {
            "ids": ids_BT,
            "mask": mask_BT,
            "hard": torch.from_numpy(self.hard_NL[index]),
            "soft": torch.from_numpy(self.soft_NL[index]),
            "has_soft": torch.from_numpy(self.has_soft_N[index]),
            "loss_weight": torch.from_numpy(self.weight_N[index]),
        }

    def teaching(self) -> TeachingSet:
        """Return the trainer's view of these rows."""
        digest = hashlib.sha256()
        digest.update(repr((self.row_ids, self.ids)).encode())
        for array in (self.hard_NL, self.soft_NL, self.has_soft_N, self.weight_N):
            digest.update(array.tobytes())
        return TeachingSet(self.lengths, self.collate, digest.hexdigest())


def encode_label_rows(
    rows: Sequence[TrainingRow],
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str],
    config: StudentConfig,
    *,
    multi: bool,
) -> LabelRows:
    """Encode label rows, treating rows over `max_length_tokens` as `overlong` says.

    Raises:
        DataError: a row's label is not in the set, its soft targets are no distribution, or it is overlong under
            `overlong: error`.
    """
    limit = limit_tokens(config, tokenizer)
    encoded = encode_heads(tokenizer, [join_prompt(row.prompt) for row in rows], limit)
    kept: list[int] = []
    dropped: dict[str, list[str]] = {}
    truncated: list[str] = []
    for i, (row, ids) in enumerate(zip(rows, encoded, strict=True)):
        if len(ids) > limit:
            if config.overlong == "error":
                tokens = len(encode_prompt(tokenizer, row.prompt))
                raise DataError(f"row {row.id!r} has {tokens} tokens, over max_length_tokens = {limit}")
            if config.overlong == "drop":
                dropped.setdefault("overlong", []).append(row.id)
                continue
            truncated.append(row.id)
            encoded[i] = truncate_ids(tokenizer, ids, limit)
        if row.weight <= 0:
            dropped.setdefault("zero_weight", []).append(row.id)
            continue
        kept.append(i)
    chosen = [rows[i] for i in kept]
    return LabelRows(
        pad_id=int(cast("int", tokenizer.pad_token_id or 0)),
        row_ids=[row.id for row in chosen],
        ids=[encoded[i] for i in kept],
        hard_NL=_encode_hard(chosen, labels, multi=multi),
        soft_NL=_encode_soft(chosen, len(labels), multi=multi),
        has_soft_N=np.array([row.label_probs is not None for row in chosen], dtype=np.bool_),
        weight_N=np.array([row.weight for row in chosen], dtype=np.float32),
        dropped=dropped,
        truncated=truncated,
    )


def _encode_hard(rows: Sequence[TrainingRow], labels: Sequence[str], *, multi: bool) -> Floats:
    index = {label: i for i, label in enumerate(labels)}
    hard_NL = np.zeros((len(rows), len(labels)), dtype=np.float32)
    for i, row in enumerate(rows):
        if multi and row.labels is None:
            raise DataError(f"row {row.id!r} has no label set, and the task's output is labels")
        for label in (row.labels or ()) if multi else (row.target,):
            if label not in index:
                raise DataError(f"row {row.id!r} has the label {label!r}, which is not in task.labels")
            hard_NL[i, index[label]] = 1.0
    return hard_NL


def _encode_soft(rows: Sequence[TrainingRow], labels: int, *, multi: bool) -> Floats:
    soft_NL = np.zeros((len(rows), labels), dtype=np.float32)
    for i, row in enumerate(rows):
        if row.label_probs is None:
            continue
        probs = np.asarray(row.label_probs, dtype=np.float64)
        bad = probs.shape != (labels,) or not np.isfinite(probs).all() or (probs < 0).any() or (probs > 1 + 1e-6).any()
        if bad or (not multi and abs(probs.sum() - 1) > 1e-3):
            raise DataError(f"row {row.id!r}: label_probs must be {labels} probabilities that sum to 1")
        soft_NL[i] = probs
    return soft_NL
