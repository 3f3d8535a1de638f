"""Teacher distributions over an answer's tokens as arrays, and their batch beside the hard targets.

Letters: M answer tokens of a row, N supervised positions of a batch, K known tokens, B = K + 1 buckets, the tail last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from distill.students.alignment import Known
from distill.students.trainer import Batch


class SoftRow(NamedTuple):
    """What the teacher says of each answer token; where `has_M` is False only the answer's own token is known."""

    ids_MK: NDArray[np.int32]
    probs_MB: NDArray[np.float32]
    has_M: NDArray[np.bool_]


def make_soft_row(known: Sequence[Known | None], answer: Sequence[int]) -> SoftRow:
    """Pack aligned distributions; an unused column repeats the answer's own token with probability 0."""
    filled = [((token, 1.0),) if k is None else k for k, token in zip(known, answer, strict=True)]
    widest = max(len(k) for k in filled)
    ids_MK = np.repeat(np.asarray(answer, dtype=np.int32)[:, None], widest, axis=1)
    probs_MB = np.zeros((len(answer), widest + 1), dtype=np.float64)
    for m, k in enumerate(filled):
        ids_MK[m, : len(k)] = [token for token, _ in k]
        probs_MB[m, : len(k)] = [probability for _, probability in k]
    probs_MB[:, -1] = np.maximum(0.0, 1.0 - probs_MB.sum(-1))
    return SoftRow(ids_MK, probs_MB.astype(np.float32), np.array([k is not None for k in known], dtype=np.bool_))


def collate_soft(rows: Sequence[SoftRow]) -> Batch:
    """Return soft_ids_NK, soft_probs_NB and has_soft_N of rows laid end to end."""
    widest = max(row.ids_MK.shape[1] for row in rows)
    ids, probs = zip(*(_widen(row, widest) for row in rows), strict=True)
    return {
        "soft_ids": torch.from_numpy(np.concatenate(ids).astype(np.int64)),
        "soft_probs": torch.from_numpy(np.concatenate(probs)),
        "has_soft": torch.from_numpy(np.concatenate([row.has_M for row in rows])),
    }


def _widen(row: SoftRow, widest: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    missing = widest - row.ids_MK.shape[1]
    ids = np.concatenate([row.ids_MK, np.repeat(row.ids_MK[:, :1], missing, axis=1)], axis=1)
    return ids, np.insert(row.probs_MB, [row.ids_MK.shape[1]] * missing, 0.0, axis=1)
