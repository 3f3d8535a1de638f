"""Near copies within one list of texts or across two: pairs of texts, from verified pairs of distinct sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distill.similarity.joiner import LOCAL, Joiner
from distill.similarity.shingles import WORDS, ShingleSets, Shingling, merge_sets, reduce_sets, scramble, take_sets

I64 = NDArray[np.int64]
_EXPAND = 64
_LOW = np.uint64(0xFFFFFFFF)


class Pairs(NamedTuple):
    """P verified pairs in ascending (left, right) order; `jaccard[p]` is the true Jaccard of pair p."""

    left: I64
    right: I64
    jaccard: NDArray[np.float64]

    def tuples(self) -> Iterator[tuple[int, int, float]]:
        """Yield (left, right, jaccard) as Python numbers, as `components` takes them."""
        yield from zip(self.left.tolist(), self.right.tolist(), self.jaccard.tolist(), strict=True)


def near_duplicate_pairs(
    texts: Iterable[str], threshold: float = 0.8, shingling: Shingling = WORDS, joiner: Joiner = LOCAL
) -> Pairs:
    """Return the pairs (left < right) of `texts` whose shingle sets have Jaccard >= `threshold`.

    More than 64 texts with one and the same set are linked to their first member only, and in a bucket of
    more than 128 candidates each looks at its 128 neighbours and the first: the output stays linear, and
    components stay whole. Texts without any shingle are equal to nothing.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    _check(threshold)
    units = _distinct(joiner.encode(texts, shingling))
    left, right, score = joiner.join(units.sets, threshold, None)
    same = np.arange(len(units.sets.offsets) - 1)
    return _expand(
        units, np.append(left, same), np.append(right, same), np.append(score, np.ones(len(same))), boundary=None
    )


def cross_pairs(
    texts_a: Iterable[str],
    texts_b: Iterable[str],
    threshold: float = 0.8,
    shingling: Shingling = WORDS,
    joiner: Joiner = LOCAL,
) -> Pairs:
    """Return the pairs (index into `texts_a`, index into `texts_b`) with Jaccard >= `threshold`: the leaks.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    return cross_set_pairs(joiner.encode(texts_a, shingling), joiner.encode(texts_b, shingling), threshold, joiner)


def cross_set_pairs(sets_a: ShingleSets, sets_b: ShingleSets, threshold: float, joiner: Joiner = LOCAL) -> Pairs:
    """Return the pairs (index into `sets_a`, index into `sets_b`) with Jaccard >= `threshold`.

    Every set with a partner appears in at least one pair; large groups of one and the same set are
    linked through their first member instead of all with all.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    _check(threshold)
    boundary = len(sets_a.offsets) - 1
    units = _distinct(merge_sets(sets_a, sets_b))
    in_a = np.zeros(len(units.sets.offsets) - 1, bool)
    in_b = in_a.copy()
    in_a[units.unit_of[units.members < boundary]] = True
    in_b[units.unit_of[units.members >= boundary]] = True
    sides = in_a.astype(np.int8) + 2 * in_b.astype(np.int8)
    left, right, score = joiner.join(units.sets, threshold, sides)
    same = np.flatnonzero(sides == 3)
    return _expand(
        units, np.append(left, same), np.append(right, same), np.append(score, np.ones(len(same))), boundary=boundary
    )


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold!r} is not in (0, 1]")


class _Units(NamedTuple):
    """Distinct sets in an order of their own, and the texts (`members`, grouped) that have each set."""

    sets: ShingleSets
    members: I64
    unit_of: I64
    starts: I64


def _distinct(sets: ShingleSets) -> _Units:
    """Keep one of each equal set, ordered by a hash of the set, so that the order of texts decides nothing."""
    sizes = np.diff(sets.offsets)
    filled = np.flatnonzero(sizes)
    digest = reduce_sets(np.add, scramble(sets.hashes), sets)[filled]
    order = np.argsort(digest, kind="stable")
    fresh = np.ones(len(order), bool)
    fresh[1:] = digest[order][1:] != digest[order][:-1]
    unit_of = np.cumsum(fresh) - 1
    members = filled[order]
    starts = np.append(np.flatnonzero(fresh), len(order))
    chosen = members[fresh]
    return _Units(take_sets(sets, chosen), members, unit_of, starts)


def _expand(units: _Units, left: I64, right: I64, score: NDArray[np.float64], boundary: int | None) -> Pairs:
    """Turn pairs of distinct sets into pairs of texts (or, with `boundary`, of a text of each list)."""
    firsts: list[I64] = []
    seconds: list[I64] = []
    scores: list[float] = []
    counts = np.diff(units.starts)
    single = (counts[left] == 1) & (counts[right] == 1) & (left != right)
    if boundary is None:
        single_left, single_right = (
            units.members[units.starts[left[single]]],
            units.members[units.starts[right[single]]],
        )
        rest = np.flatnonzero(~single & ~((left == right) & (counts[left] == 1)))
    else:
        single_left, single_right = np.zeros(0, np.int64), np.zeros(0, np.int64)
        rest = np.arange(len(left))
        single = np.zeros(len(left), bool)
    for place in rest.tolist():
        x = units.members[units.starts[left[place]] : units.starts[left[place] + 1]]
        y = units.members[units.starts[right[place]] : units.starts[right[place] + 1]]
        for some, others in _sides(x, y, left[place] == right[place], boundary):
            a, b = _product(some, others)
            firsts.append(a)
            seconds.append(b)
            scores.extend([float(score[place])] * len(a))
    a = np.concatenate([np.minimum(single_left, single_right), *firsts])
    b = np.concatenate([np.maximum(single_left, single_right), *seconds])
    j = np.append(score[single], scores)
    if boundary is None:
        a, b = np.minimum(a, b), np.maximum(a, b)
        a, b, j = a[a != b], b[a != b], j[a != b]
    else:
        b = b - boundary
    packed, once = np.unique(a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64), return_index=True)
    return Pairs((packed >> np.uint64(32)).astype(np.int64), (packed & _LOW).astype(np.int64), j[once])


def _sides(x: I64, y: I64, same: bool, boundary: int | None) -> Iterator[tuple[I64, I64]]:
    if boundary is None:
        yield x, y
        return
    yield x[x < boundary], y[y >= boundary]
    if not same:
        yield y[y < boundary], x[x >= boundary]


def _product(some: I64, others: I64) -> tuple[I64, I64]:
    """Pair all with all, or in large groups all with the first of the other side, both ways."""
    if len(some) * len(others) <= _EXPAND * _EXPAND:
        return np.repeat(some, len(others)), np.tile(others, len(some))
    if not len(some) or not len(others):
        return some[:0], others[:0]
    return (
        np.concatenate([some, np.repeat(some[:1], len(others))]),
        np.concatenate([np.repeat(others[:1], len(some)), others]),
    )
