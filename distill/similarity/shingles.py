"""A text as a set of shingles, one by one for people and tests, or many at once as flat integer arrays.

The default is the set of words. Measured on 10,003 x 3,080 customer messages at Jaccard 0.8, word sets find
490 near copies, word pairs 119, character 3-grams 314: in a message of 3-30 words each edited word spoils `width`
shingles, so wide shingles are blind exactly where support messages live. Word sets also see reordered copies.
Long documents (hundreds of words) share vocabulary without being copies: give them `width=3` or more.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from distill.similarity.normalise import normalise, split_words

U64 = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
_CHUNK_SHINGLES = 1 << 16
_CHUNK_SETS = 1 << 11
Number = TypeVar("Number", np.uint32, np.uint64)


@dataclass(frozen=True, slots=True)
class Shingling:
    """`width` consecutive units (words or characters of the normal form) make one shingle."""

    unit: Literal["word", "char"] = "word"
    width: int = 1


WORDS = Shingling()


def shingles(text: str, shingling: Shingling = WORDS) -> frozenset[str]:
    """Return the shingles of `text`; a text shorter than `width` units is one shingle, an empty one has none."""
    units: Sequence[str] = split_words(text) if shingling.unit == "word" else normalise(text)
    if not units:
        return frozenset()
    joint = " " if shingling.unit == "word" else ""
    width = shingling.width
    return frozenset(joint.join(units[i : i + width]) for i in range(max(1, len(units) - width + 1)))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Return |left & right| / |left | right| in [0, 1]; two empty sets are equal (1.0)."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


class ShingleSets(NamedTuple):
    """N texts as sets: set n is `ids[offsets[n]:offsets[n + 1]]` (unique), `hashes[id]` is a shingle's 64-bit hash."""

    offsets: NDArray[np.int64]
    ids: NDArray[np.uint32]
    hashes: U64


def encode(texts: Iterable[str], shingling: Shingling = WORDS) -> ShingleSets:
    """Encode `texts` as sets; ids are dense and mean nothing outside the result, hashes are stable."""
    if shingling == WORDS:
        return _encode_words(texts)
    return _encode_wide(texts, shingling)


def sets_from_hashes(lengths: NDArray[np.int64], flat: U64) -> ShingleSets:
    """Build sets from their shingles' hashes, one set after the other; `lengths[n]` of them belong to set n."""
    hashes, ids = np.unique(flat, return_inverse=True)
    return ShingleSets(np.append(0, np.cumsum(lengths)).astype(np.int64), ids.astype(np.uint32), hashes)


def merge_sets(first: ShingleSets, second: ShingleSets) -> ShingleSets:
    """Put two lists of sets behind each other, over one vocabulary."""
    hashes, place = np.unique(np.append(first.hashes, second.hashes), return_inverse=True)
    place = place.astype(np.uint32)
    size = len(first.hashes)
    ids = np.append(place[:size][first.ids], place[size:][second.ids])
    return ShingleSets(np.append(first.offsets, second.offsets[1:] + first.offsets[-1]), ids, hashes)


def reduce_sets(fold: np.ufunc, values: NDArray[Number], sets: ShingleSets) -> NDArray[Number]:
    """Fold one value per shingle over each set, chunk by chunk; an empty set's result means nothing."""
    total = len(sets.offsets) - 1
    folded = np.zeros(total, values.dtype)
    start = 0
    while start < total:
        limit = sets.offsets[start] + _CHUNK_SHINGLES
        stop = max(start + 1, int(np.searchsorted(sets.offsets, limit, side="right")) - 1)
        first, last = sets.offsets[start], sets.offsets[stop]
        filled = np.flatnonzero(np.diff(sets.offsets[start : stop + 1])) + start
        if len(filled):
            folded[filled] = fold.reduceat(values[sets.ids[first:last]], sets.offsets[filled] - first)
        start = stop
    return folded


def take_sets(sets: ShingleSets, chosen: NDArray[np.int64]) -> ShingleSets:
    """Return the chosen sets, in that order."""
    sizes = np.diff(sets.offsets)[chosen]
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
    ids = np.empty(int(offsets[-1]), np.uint32)
    for start in range(0, len(chosen), _CHUNK_SETS):
        part = slice(start, min(start + _CHUNK_SETS, len(chosen)))
        first, last = offsets[part.start], offsets[part.stop]
        shift = np.repeat(sets.offsets[chosen[part]] - offsets[part.start : part.stop], sizes[part])
        ids[first:last] = sets.ids[shift + np.arange(first, last)]
    return ShingleSets(offsets, ids, sets.hashes)


def _encode_words(texts: Iterable[str]) -> ShingleSets:
    numbers = count()
    vocabulary = _Vocabulary(numbers)
    lengths = array("I", [0])
    ids = array("I")
    lookup = vocabulary.__getitem__
    for text in texts:
        words = set(split_words(text))
        lengths.append(len(words))
        ids.extend(map(lookup, words))
    hashes = np.fromiter((_hash_word(word) for word in vocabulary), np.uint64, len(vocabulary))
    offsets = np.cumsum(np.frombuffer(lengths, np.uint32), dtype=np.int64)
    return ShingleSets(offsets, np.frombuffer(ids, np.uint32) if len(ids) else np.zeros(0, np.uint32), hashes)


class _Vocabulary(dict[str, int]):
    def __init__(self, numbers: count[int]) -> None:
        super().__init__()
        self._numbers = numbers

    def __missing__(self, word: str) -> int:
        number = self[word] = next(self._numbers)
        return number


def _encode_wide(texts: Iterable[str], shingling: Shingling) -> ShingleSets:
    lengths: list[int] = [0]
    blocks: list[U64] = []
    for text in texts:
        found = _hash_windows(_hash_units(text, shingling.unit), shingling.width)
        lengths.append(len(found))
        blocks.append(found)
    flat = np.concatenate(blocks) if blocks else np.zeros(0, np.uint64)
    hashes, ids = np.unique(flat, return_inverse=True)
    return ShingleSets(np.cumsum(lengths, dtype=np.int64), ids.astype(np.uint32), hashes)


def _hash_units(text: str, unit: str) -> U64:
    if unit == "word":
        words = split_words(text)
        return np.fromiter((_hash_word(word) for word in words), np.uint64, len(words))
    return np.frombuffer(normalise(text).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64) * _MIX


def _hash_word(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))


def _hash_windows(units: U64, width: int) -> U64:
    width = min(width, len(units))
    if width == 0:
        return units
    total = np.zeros(len(units) - width + 1, np.uint64)
    for step in range(width):
        total = scramble(total * _MIX + units[step : len(units) - width + 1 + step])
    return np.unique(total)


def scramble(values: U64) -> U64:
    """Return a bijective 64-bit mix of `values` (splitmix64 finaliser; Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
