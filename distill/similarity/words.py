"""The words of many texts at once, as places in one buffer of bytes: numpy works on all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distill.similarity.mixing import MIX, U64, scramble
from distill.similarity.normalise import normalise, space_out

I64 = NDArray[np.int64]
_SPACE, _LINE = 32, 10
_STEP = 8
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_STEP + 1)], np.uint64)


class Words(NamedTuple):
    """Word n is `buffer[starts[n]:ends[n]]` in UTF-8; text t has `counts[t]` of them, one text after the other."""

    buffer: bytes
    starts: I64
    ends: I64
    counts: I64


def find_words(texts: Sequence[str], *, unspaced: bool = True) -> Words:
    """Return the words of each text, as `split_words` gives them; with `unspaced` false, as `normalise` spaces them."""
    lines = space_out(texts, unspaced=unspaced)
    lines = [text if text.strip() else normalise(texts[place]) for place, text in enumerate(lines)]
    buffer = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    read = np.frombuffer(buffer, np.uint8)
    is_line = read == _LINE
    edges = np.flatnonzero(np.diff(is_line | (read == _SPACE), prepend=True))
    starts, ends = edges[::2], edges[1::2]
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(is_line)), prepend=0)
    return Words(buffer, starts, ends, counts)


def join_words(words: Words) -> Words:
    """Return the same words with exactly one byte between neighbours, so that a run of them is one slice."""
    kept = np.zeros(len(words.buffer), bool)
    kept[words.starts], kept[words.ends] = True, True
    kept = np.logical_xor.accumulate(kept)
    kept[words.ends] = True
    sizes = words.ends - words.starts
    ends = np.cumsum(sizes + 1) - 1
    return Words(np.frombuffer(words.buffer, np.uint8)[kept].tobytes(), ends - sizes, ends, words.counts)


def key_words(words: Words) -> U64:
    """Return a 64-bit key of each word: equal words have equal keys, and keys mean nothing elsewhere."""
    padded = np.frombuffer(words.buffer + bytes(_STEP), np.uint8)
    every = np.ndarray(len(words.buffer) + 1, np.uint64, padded, strides=(1,))
    sizes = words.ends - words.starts
    keys = sizes.astype(np.uint64)
    left = np.arange(len(sizes))
    for step in range(0, int(sizes.max(initial=0)), _STEP):
        left = left[sizes[left] > step]
        part = every[words.starts[left] + step] & _MASKS[np.minimum(sizes[left] - step, _STEP)]
        keys[left] = scramble(keys[left] * MIX + part)
    return keys
