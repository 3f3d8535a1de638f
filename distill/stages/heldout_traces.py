"""What the split lets out of the sealed rows for filters to compare with: digests, word hashes, vectors; never text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distill.engine.parquet import read_table, write_table
from distill.filters import Heldout, hash_runs
from distill.similarity import encode, sets_from_hashes

HASHES, WORDS, VECTORS = "heldout_hashes.json", "heldout_words.parquet", "heldout_vectors.parquet"


def write_traces(texts: Sequence[str], folder: Path) -> None:
    """Write the digests of the texts' 13-word runs, and each text as the sorted 64-bit hashes of its words."""
    runs = sorted(set(hash_runs(*texts)))
    (folder / HASHES).write_text(json.dumps(runs), encoding="utf-8")
    sets = encode(texts)
    hashes = sets.hashes[sets.ids]
    words = [np.sort(hashes[first:last]) for first, last in pairwise(sets.offsets.tolist())]
    write_table(pa.table({"words": pa.array(words, pa.list_(pa.uint64()))}), folder / WORDS)


def write_vectors(vectors: NDArray[np.float32], folder: Path) -> None:
    """Write the texts' embeddings, one unit row each."""
    column = pa.array(list(vectors), pa.list_(pa.float32()))
    write_table(pa.table({"vector": column}), folder / VECTORS)


def read_traces(folder: Path) -> Heldout:
    """Read what the split let out.

    Raises:
        StoreError: a table is damaged.
    """
    runs = frozenset(json.loads((folder / HASHES).read_text(encoding="utf-8")))
    lists = read_table(folder / WORDS).column("words").combine_chunks()
    words = sets_from_hashes(np.asarray(lists.value_lengths(), np.int64), np.asarray(lists.flatten(), np.uint64))
    if not (folder / VECTORS).is_file():
        return Heldout(runs, words)
    rows = read_table(folder / VECTORS).column("vector").combine_chunks()
    return Heldout(runs, words, np.asarray(rows.flatten(), np.float32).reshape(len(rows), -1))
