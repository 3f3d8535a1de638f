"""MinHash signatures cut into bands, one band in memory at a time; candidates are pairs that share a band.

Broder 1997 (MinHash); Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4 (banding):
a pair of Jaccard j shares one of b bands of r rows with probability 1 - (1 - j^r)^b.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from distill.similarity.mixing import U64, scramble
from distill.similarity.shingles import ShingleSets, reduce_sets_by

_TARGET_RECALL = 0.998
_MAX_BANDS = 64
_MAX_ROWS = 8


class Banding(NamedTuple):
    """`bands` bands of `rows` signature rows each."""

    bands: int
    rows: int

    def recall_at(self, similarity: float) -> float:
        """Return the probability that a pair of this Jaccard shares a band."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


def choose_banding(threshold: float) -> Banding:
    """Return the most selective banding that still finds 99.8% of the pairs exactly at `threshold`."""
    for rows in range(_MAX_ROWS, 0, -1):
        for bands in range(1, _MAX_BANDS + 1):
            banding = Banding(bands, rows)
            if banding.recall_at(threshold) < _TARGET_RECALL:
                continue
            if bands * rows <= 96 or rows == 1:
                return banding
            break
    return Banding(_MAX_BANDS, 1)


def iterate_bands(sets: ShingleSets, banding: Banding) -> Iterator[U64]:
    """Yield one uint64 key per set for each band; equal keys make a candidate pair. Sets must not be empty."""
    seeds = scramble(np.arange(1, 2 * banding.bands * banding.rows + 1, dtype=np.uint64))
    multipliers, offsets = seeds[::2] | np.uint64(1), seeds[1::2]
    for band in range(banding.bands):
        key = np.zeros(len(sets.offsets) - 1, np.uint64)
        rows = range(band * banding.rows, (band + 1) * banding.rows)
        ranks = [_rank(sets.hashes, multipliers[row], offsets[row]) for row in rows]
        for least in reduce_sets_by(np.minimum, ranks, sets):
            key = scramble(key + least + np.uint64(1))
        yield key


def _rank(hashes: U64, multiplier: np.uint64, offset: np.uint64) -> NDArray[np.uint32]:
    return (scramble(hashes * multiplier + offset) >> np.uint64(32)).astype(np.uint32)
