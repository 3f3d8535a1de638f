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
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from distill.similarity.mixing import MIX, U64, scramble
from distill.similarity.normalise import in_chunks, normalise, split_words
from distill.similarity.words import find_words, key_words

_CHUNK_SHINGLES = 1 << 14
_CHUNK_SETS = 1 << 9
_CHUNK_TEXTS = 1 << 9
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
    """Fold one value per shingle over each set; an empty set's result means nothing."""
    return reduce_sets_by(fold, [values], sets)[0]


def reduce_sets_by(fold: np.ufunc, tables: Sequence[NDArray[Number]], sets: ShingleSets) -> NDArray[Number]:
    """Fold each of several tables of one value per shingle over each set, chunk by chunk: (table, set)."""
    total = len(sets.offsets) - 1
    folded = np.zeros((len(tables), total), tables[0].dtype)
    start = 0
    while start < total:
        limit = sets.offsets[start] + _CHUNK_SHINGLES
        stop = max(start + 1, int(np.searchsorted(sets.offsets, limit, side="right")) - 1)
        first, last = sets.offsets[start], sets.offsets[stop]
        filled = np.flatnonzero(np.diff(sets.offsets[start : stop + 1])) + start
        if len(filled):
            ids, heads = sets.ids[first:last].astype(np.intp), sets.offsets[filled] - first
            for values, row in zip(tables, folded, strict=True):
                row[filled] = fold.reduceat(values.take(ids), heads)
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
    """Number the words chunk by chunk: only their hashes are held, never all the words."""
    lengths, ids = array("I", [0]), array("I")
    vocabulary = _Vocabulary()
    for part in in_chunks(texts, _CHUNK_TEXTS):
        counts, numbers, hashes = _number_words(part)
        lengths.frombytes(counts.view(np.uint8).data)
        ids.frombytes(vocabulary.number(hashes)[numbers].view(np.uint8).data)
    flat = np.frombuffer(ids, np.uint32) if len(ids) else np.zeros(0, np.uint32)
    return ShingleSets(np.cumsum(np.frombuffer(lengths, np.uint32), dtype=np.int64), flat, vocabulary.hashes())


class _Vocabulary:
    """Numbers hashes in the order in which they are first seen."""

    def __init__(self) -> None:
        self._ordered = np.zeros(0, np.uint64)
        self._numbers = np.zeros(0, np.uint32)

    def number(self, hashes: U64) -> NDArray[np.uint32]:
        """Return the number of each hash."""
        near = np.searchsorted(self._ordered, hashes)
        known = near < len(self._ordered)
        known[known] = self._ordered[near[known]] == hashes[known]
        fresh = np.unique(hashes[~known])
        place = np.searchsorted(self._ordered, fresh)
        new = np.arange(len(self._ordered), len(self._ordered) + len(fresh), dtype=np.uint32)
        self._ordered = np.insert(self._ordered, place, fresh)
        self._numbers = np.insert(self._numbers, place, new)
        return self._numbers[np.searchsorted(self._ordered, hashes)]

    def hashes(self) -> U64:
        """Return the hashes by their numbers."""
        found = np.empty_like(self._ordered)
        found[self._numbers] = self._ordered
        return found


def _number_words(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint32], U64]:
    """Return how many different words each text has, their numbers, text by text, and the words' hashes by number."""
    words = find_words(texts)
    keys = key_words(words)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint32), words.counts)
    order = np.argsort(keys, kind="stable")
    fresh = np.append(True, keys[order[1:]] != keys[order[:-1]])[: len(order)]
    again = order[1:][~fresh[1:] & (rows[order[1:]] == rows[order[:-1]])]
    numbers = np.empty(len(order), np.uint32)
    numbers[order] = np.cumsum(fresh) - 1
    places = order[fresh]
    spans = zip(words.starts[places].tolist(), words.ends[places].tolist(), strict=True)
    hashes = map(xxhash.xxh3_64_intdigest, [words.buffer[start:end] for start, end in spans])
    counts = np.bincount(np.delete(rows, again), minlength=len(texts)).astype(np.uint32)
    return counts, np.delete(numbers, again), np.fromiter(hashes, np.uint64, len(places))


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
    return np.frombuffer(normalise(text).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64) * MIX


def _hash_word(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))


def _hash_windows(units: U64, width: int) -> U64:
    width = min(width, len(units))
    if width == 0:
        return units
    total = np.zeros(len(units) - width + 1, np.uint64)
    for step in range(width):
        total = scramble(total * MIX + units[step : len(units) - width + 1 + step])
    return np.unique(total)
