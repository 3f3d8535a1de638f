"""Near pairs of unit vectors by their cosine, exactly: blocks of a matrix product, never the whole of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill.similarity.pairs import Pairs

F32 = NDArray[np.float32]
_BLOCK = 1024
_DECIMALS = 5
"""Cosines are rounded before they are compared: the last bits of a product depend on the machine."""


def near_vector_pairs(vectors: F32, threshold: float) -> Pairs:
    """Return the pairs (left < right) of rows of length 1 whose cosine is >= `threshold`; equal rows have exactly 1."""
    lefts, rights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    scores = [np.zeros(0)]
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        for other in range(start, len(vectors), _BLOCK):
            cosine = _cosine(block, vectors[other : other + _BLOCK])
            left, right = np.nonzero(cosine >= threshold)
            ordered = left + start < right + other
            left, right = left[ordered], right[ordered]
            lefts.append(left + start)
            rights.append(right + other)
            scores.append(cosine[left, right])
    left, right, score = np.concatenate(lefts), np.concatenate(rights), np.concatenate(scores)
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], score[order])


def best_cosines(vectors: F32, others: F32) -> NDArray[np.float64]:
    """Return for each row of `vectors` its largest cosine with a row of `others` (-1 where there are none)."""
    best = np.full(len(vectors), -1.0)
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        for other in range(0, len(others), _BLOCK):
            part = best[start : start + _BLOCK]
            np.maximum(part, _cosine(block, others[other : other + _BLOCK]).max(axis=1), out=part)
    return best


def pick_spread(vectors: F32, count: int) -> list[int]:
    """Pick `count` rows that cover the others: the greedy k-centre (Gonzalez 1985; Sener and Savarese 2018).

    Begins at the row nearest to the mean, then takes the row farthest from all taken ones; ties go to the earlier row.
    """
    count = min(count, len(vectors))
    if not count:
        return []
    nearest = np.round((vectors @ vectors.mean(axis=0)).astype(np.float64), _DECIMALS)
    taken = [int(nearest.argmax())]
    closest = _cosine(vectors, vectors[taken[:1]])[:, 0]
    while len(taken) < count:
        closest[taken[-1]] = np.inf
        taken.append(int(closest.argmin()))
        np.maximum(closest, _cosine(vectors, vectors[taken[-1:]])[:, 0], out=closest)
    return taken


def _cosine(some: F32, others: F32) -> NDArray[np.float64]:
    return np.round((some @ others.T).astype(np.float64), _DECIMALS)
