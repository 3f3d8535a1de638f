"""The join of sets with themselves: MinHash bands propose pairs, the true Jaccard decides. Local, or on many machines.

No pair below the threshold is ever returned. Equal sets are found exactly, near ones with probability >= 0.998.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from distill.similarity.digests import Digests, digest_texts
from distill.similarity.minhash import choose_banding, iterate_bands
from distill.similarity.shingles import U64, WORDS, ShingleSets, Shingling, encode, reduce_sets, scramble

I64 = NDArray[np.int64]
Sides = NDArray[np.int8]
_WINDOW = 128
_CHUNK_PAIRS = 1 << 11
_LOW = np.uint64(0xFFFFFFFF)


class Joined(NamedTuple):
    """Verified pairs of sets (left < right), in ascending order, with their true Jaccard."""

    left: I64
    right: I64
    jaccard: NDArray[np.float64]


class Joiner(Protocol):
    """Where texts are digested, and sets are made and joined. Every joiner returns the same digests and pairs."""

    def digest(self, texts: Iterable[str]) -> Digests:
        """Return what stands for each text's normal form."""
        ...

    def encode(self, texts: Iterable[str], shingling: Shingling = WORDS) -> ShingleSets:
        """Encode texts as sets."""
        ...

    def join(self, sets: ShingleSets, threshold: float, sides: Sides | None) -> Joined:
        """Return the pairs of distinct, non-empty sets at or above `threshold`.

        With `sides` (bit 1: of the left list, bit 2: of the right one), only those across sides.
        """
        ...


class LocalJoiner:
    """Joins in this process."""

    def digest(self, texts: Iterable[str]) -> Digests:
        return digest_texts(texts)

    def encode(self, texts: Iterable[str], shingling: Shingling = WORDS) -> ShingleSets:
        return encode(texts, shingling)

    def join(self, sets: ShingleSets, threshold: float, sides: Sides | None) -> Joined:
        if len(sets.offsets) < 3:
            return Joined(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        profile = make_profile(sets)
        found = np.zeros(0, np.uint64)
        for key in iterate_bands(sets, choose_banding(threshold)):
            found = _merge(found, propose(key, profile, threshold, sides))
        return verify(sets, found, threshold)


LOCAL = LocalJoiner()


class Profile(NamedTuple):
    """What rules pairs out before they are verified: sizes of the sets, and 64-bit sketches."""

    sizes: I64
    sketch: U64


def make_profile(sets: ShingleSets) -> Profile:
    """Return the profile of sets that are not empty."""
    bits = np.uint64(1) << (scramble(sets.hashes) >> np.uint64(58))
    return Profile(np.diff(sets.offsets), reduce_sets(np.bitwise_xor, bits.astype(np.uint64), sets))


def propose(key: U64, profile: Profile, threshold: float, sides: Sides | None) -> U64:
    """Return pairs of sets with equal keys that could reach `threshold`, packed as left << 32 | right."""
    found = [np.zeros(0, np.uint64)]
    for first, second in _neighbours(key):
        kept = _could_match(first, second, profile, threshold, sides)
        if kept.any():
            low, high = np.minimum(first[kept], second[kept]), np.maximum(first[kept], second[kept])
            found.append(low.astype(np.uint64) << np.uint64(32) | high.astype(np.uint64))
    return np.concatenate(found)


def _merge(found: U64, more: U64) -> U64:
    """Return the different values of both in ascending order, without numpy's detour over a hash table."""
    both = np.sort(np.append(found, more))
    return both[np.append(True, both[1:] != both[:-1])] if len(both) else both


def verify(sets: ShingleSets, packed: U64, threshold: float) -> Joined:
    """Return those of the packed pairs whose true Jaccard reaches `threshold`."""
    left, right = (packed >> np.uint64(32)).astype(np.int64), (packed & _LOW).astype(np.int64)
    score = _true_jaccard(sets, left, right)
    near = score >= threshold
    return Joined(left[near], right[near], score[near])


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


def _could_match(first: I64, second: I64, profile: Profile, threshold: float, sides: Sides | None) -> NDArray[np.bool_]:
    """Rule out pairs that cannot reach `threshold`: by size, and by a lower bound on the symmetric difference.

    j >= t needs |x ^ y| <= (1 - t) / (1 + t) (|x| + |y|). A sketch has the parity of the shingles at each of 64 places,
    what is shared cancels out, so two sketches differ in at most |x ^ y| bits.
    """
    sizes, sketch = profile
    total = sizes[first] + sizes[second]
    allowed = (1 - threshold) / (1 + threshold) * total + 1e-9
    kept = np.abs(sizes[first] - sizes[second]) <= allowed
    kept &= np.bitwise_count(sketch[first] ^ sketch[second]) <= allowed
    if sides is not None:
        kept &= (sides[first] | sides[second]) == 3
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
