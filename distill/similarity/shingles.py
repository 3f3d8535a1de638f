"""A text as a set of shingles, one by one for people and tests, or many at once as flat integer arrays.

The default is the set of words. Measured on 10,003 x 3,080 customer messages at Jaccard 0.8, word sets find
490 near copies, word pairs 119, character 3-grams 314: in a message of 3-30 words each edited word spoils `width`
shingles, so wide shingles are blind exactly where support messages live. Word sets also see reordered copies.
Long documents (hundreds of words) share vocabulary without being copies: give them `width=3` or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from distill.similarity.normalise import normalise, split_words

U64 = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)


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


def _encode_words(texts: Iterable[str]) -> ShingleSets:
    numbers = count()
    vocabulary = _Vocabulary(numbers)
    lengths: list[int] = [0]
    blocks: list[NDArray[np.uint32]] = []
    pending: list[int] = []
    lookup = vocabulary.__getitem__
    for text in texts:
        words = set(split_words(text))
        lengths.append(len(words))
        pending.extend(map(lookup, words))
        if len(pending) > 1 << 16:
            blocks.append(np.array(pending, np.uint32))
            pending.clear()
    blocks.append(np.array(pending, np.uint32))
    hashes = np.fromiter((_hash_word(word) for word in vocabulary), np.uint64, len(vocabulary))
    return ShingleSets(np.cumsum(lengths, dtype=np.int64), np.concatenate(blocks), hashes)


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
