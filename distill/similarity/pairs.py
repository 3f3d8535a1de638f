"""Near copies within one list of texts or across two: LSH candidates, each verified by its true Jaccard.

No pair below the threshold is ever returned. Equal sets are found exactly, near ones with probability >= 0.998.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distill.similarity.minhash import choose_banding, iterate_bands
from distill.similarity.shingles import U64, WORDS, ShingleSets, Shingling, encode, scramble

I64 = NDArray[np.int64]
_WINDOW = 128
_EXPAND = 64
_CHUNK_PAIRS = 1 << 15
_LOW = np.uint64(0xFFFFFFFF)


class Pairs(NamedTuple):
    """P verified pairs in ascending (left, right) order; `jaccard[p]` is the true Jaccard of pair p."""

    left: I64
    right: I64
    jaccard: NDArray[np.float64]

    def tuples(self) -> Iterator[tuple[int, int, float]]:
        """Yield (left, right, jaccard) as Python numbers, as `components` takes them."""
        yield from zip(self.left.tolist(), self.right.tolist(), self.jaccard.tolist(), strict=True)


def near_duplicate_pairs(texts: Iterable[str], threshold: float = 0.8, shingling: Shingling = WORDS) -> Pairs:
    """Return the pairs (left < right) of `texts` whose shingle sets have Jaccard >= `threshold`.

    More than 64 texts with one and the same set are linked to their first member only, and in a bucket of
    more than 128 candidates each looks at its 128 neighbours and the first: the output stays linear, and
    components stay whole. Texts without any shingle are equal to nothing.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    _check(threshold)
    units = _distinct(encode(texts, shingling))
    left, right, score = _verified(units.sets, threshold, boundary=None)
    same = np.arange(len(units.sets.offsets) - 1)
    return _expand(
        units, np.append(left, same), np.append(right, same), np.append(score, np.ones(len(same))), boundary=None
    )


def cross_pairs(
    texts_a: Iterable[str], texts_b: Iterable[str], threshold: float = 0.8, shingling: Shingling = WORDS
) -> Pairs:
    """Return the pairs (index into `texts_a`, index into `texts_b`) with Jaccard >= `threshold`: the leaks.

    Every text with a partner appears in at least one pair; large groups of one and the same set are
    linked through their first member instead of all with all.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    _check(threshold)
    counted = _Counted(texts_a)
    encoded = encode(chain(counted, texts_b), shingling)
    boundary = counted.seen
    units = _distinct(encoded)
    in_a = np.zeros(len(units.sets.offsets) - 1, bool)
    in_b = in_a.copy()
    in_a[units.unit_of[units.members < boundary]] = True
    in_b[units.unit_of[units.members >= boundary]] = True
    side = in_a.astype(np.int8) + 2 * in_b.astype(np.int8)
    left, right, score = _verified(units.sets, threshold, boundary=side)
    same = np.flatnonzero(side == 3)
    return _expand(
        units, np.append(left, same), np.append(right, same), np.append(score, np.ones(len(same))), boundary=boundary
    )


def _check(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold!r} is not in (0, 1]")


class _Counted:
    """An iterable that remembers how many items it gave."""

    def __init__(self, items: Iterable[str]) -> None:
        self._items = items
        self.seen = 0

    def __iter__(self) -> Iterator[str]:
        for item in self._items:
            self.seen += 1
            yield item


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
    digest = (
        np.add.reduceat(scramble(sets.hashes)[sets.ids], sets.offsets[filled]) if len(filled) else np.zeros(0, "u8")
    )
    order = np.argsort(digest, kind="stable")
    fresh = np.ones(len(order), bool)
    fresh[1:] = digest[order][1:] != digest[order][:-1]
    unit_of = np.cumsum(fresh) - 1
    members = filled[order]
    starts = np.append(np.flatnonzero(fresh), len(order))
    chosen = members[fresh]
    offsets = np.append(0, np.cumsum(sizes[chosen])).astype(np.int64)
    positions = np.repeat(sets.offsets[chosen] - offsets[:-1], sizes[chosen]) + np.arange(offsets[-1])
    return _Units(ShingleSets(offsets, sets.ids[positions], sets.hashes), members, unit_of, starts)


def _verified(
    sets: ShingleSets, threshold: float, boundary: NDArray[np.int8] | None
) -> tuple[I64, I64, NDArray[np.float64]]:
    """Return the pairs of distinct sets at or above `threshold`; `boundary` asks for pairs across sides only."""
    empty = np.zeros(0, np.int64)
    if len(sets.offsets) < 3:
        return empty, empty, np.zeros(0)
    sizes = np.diff(sets.offsets)
    sketch = np.bitwise_or.reduceat(
        np.uint64(1) << (scramble(sets.hashes) >> np.uint64(58))[sets.ids], sets.offsets[:-1]
    )
    found = np.zeros(0, np.uint64)
    for key in iterate_bands(sets, choose_banding(threshold)):
        for first, second in _neighbours(key):
            kept = _could_match(first, second, sizes, sketch, threshold, boundary)
            if kept.any():
                low, high = np.minimum(first[kept], second[kept]), np.maximum(first[kept], second[kept])
                found = np.append(found, low.astype(np.uint64) << np.uint64(32) | high.astype(np.uint64))
        found = np.unique(found)
    left, right = (found >> np.uint64(32)).astype(np.int64), (found & _LOW).astype(np.int64)
    score = _true_jaccard(sets, left, right)
    near = score >= threshold
    return left[near], right[near], score[near]


def _neighbours(key: U64) -> Iterator[tuple[I64, I64]]:
    """Yield arrays of candidate pairs: sets with one key, each with the next 128 of its bucket and the first."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    at = np.flatnonzero(ordered[1:] == ordered[:-1])
    heads = at
    for step in range(1, _WINDOW + 1):
        if not len(at):
            return
        yield order[at], order[at + step]
        at = at[at + step + 1 < len(order)]
        at = at[ordered[at + step + 1] == ordered[at]]
    tails = heads + 1
    yield order[np.searchsorted(ordered, ordered[tails])], order[tails]


def _could_match(
    first: I64, second: I64, sizes: I64, sketch: U64, threshold: float, boundary: NDArray[np.int8] | None
) -> NDArray[np.bool_]:
    """Rule out pairs that cannot reach `threshold`: by size, and by a lower bound on the symmetric difference.

    j >= t needs |x ^ y| <= (1 - t) / (1 + t) (|x| + |y|), and two 64-bit sketches differ in at most |x ^ y| bits.
    """
    total = sizes[first] + sizes[second]
    allowed = (1 - threshold) / (1 + threshold) * total + 1e-9
    kept = np.abs(sizes[first] - sizes[second]) <= allowed
    kept &= np.bitwise_count(sketch[first] ^ sketch[second]) <= allowed
    if boundary is not None:
        kept &= (boundary[first] | boundary[second]) == 3
    return kept


def _true_jaccard(sets: ShingleSets, left: I64, right: I64) -> NDArray[np.float64]:
    """Return the Jaccard of each pair of sets, counted, not estimated."""
    sizes = np.diff(sets.offsets)
    score = np.empty(len(left))
    for start in range(0, len(left), _CHUNK_PAIRS):
        a, b = left[start : start + _CHUNK_PAIRS], right[start : start + _CHUNK_PAIRS]
        keys = np.sort(np.append(_keyed(sets, a, sizes[a]), _keyed(sets, b, sizes[b])))
        shared = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
        common = np.bincount(shared.astype(np.int64), minlength=len(a))
        score[start : start + _CHUNK_PAIRS] = common / (sizes[a] + sizes[b] - common)
    return score


def _keyed(sets: ShingleSets, rows: I64, sizes: I64) -> U64:
    """Return (position of the row, shingle id) packed in 64 bits for all shingles of `rows`."""
    ends = np.cumsum(sizes)
    positions = np.repeat(sets.offsets[rows] - (ends - sizes), sizes) + np.arange(int(ends[-1]))
    place = np.repeat(np.arange(len(rows), dtype=np.uint64) << np.uint64(32), sizes)
    return place | sets.ids[positions].astype(np.uint64)


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
