"""Runs of consecutive words as digests: how a text shows that it shares a passage with texts that are not at hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from distill.similarity.normalise import in_chunks
from distill.similarity.words import find_words, join_words

RUN_WORDS = 13
"""Length of the word runs that count as copied (Brown et al. 2020, arXiv:2005.14165, appendix C)."""
_CHUNK_TEXTS = 1 << 10


def hash_runs(*texts: str) -> Iterator[str]:
    """Yield the xxh3 digests (16 hex digits) of the texts' 13-word runs; of a whole text when it is shorter."""
    for part in in_chunks(texts, _CHUNK_TEXTS):
        yield from (f"{digest:016x}" for digest in _digest_runs(part)[1])


def share_runs(texts: Iterable[str], runs: Collection[str]) -> NDArray[np.bool_]:
    """Tell of each text whether one of its runs is among `runs`, digests as `hash_runs` makes them."""
    known = {int(run, 16) for run in runs}
    found: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    for part in in_chunks(texts, _CHUNK_TEXTS):
        owners, digests = _digest_runs(part)
        shared = np.zeros(len(part), bool)
        shared[owners[[digest in known for digest in digests]]] = True
        found.append(shared)
    return np.concatenate(found)


def _digest_runs(texts: Sequence[str]) -> tuple[NDArray[np.int64], list[int]]:
    """Return the digests of all runs of some texts, and which text each is of."""
    words = join_words(find_words(texts, unspaced=False))
    runs = np.where(words.counts > RUN_WORDS, words.counts - RUN_WORDS + 1, np.minimum(words.counts, 1))
    owners = np.repeat(np.arange(len(texts)), runs)
    heads = np.cumsum(words.counts) - words.counts
    first = np.arange(len(owners)) - (np.cumsum(runs) - runs)[owners] + heads[owners]
    last = first + np.minimum(words.counts[owners], RUN_WORDS) - 1
    spans = zip(words.starts[first].tolist(), words.ends[last].tolist(), strict=True)
    return owners, list(map(xxhash.xxh3_64_intdigest, [words.buffer[start:end] for start, end in spans]))
