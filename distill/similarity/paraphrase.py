"""Pairs that say the same in other words, as far as words can tell: rare word stems shared, whatever their order.

Jaccard over word sets sees copies, moved words and light edits. This one compares stems, each weighed by how rare it
is, so that inflection and exchanged common words change little too. It sees no synonyms: a rewrite that keeps no rare
word is out of reach of both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from distill.similarity.normalise import split_words
from distill.similarity.pairs import Pairs

_STEM_CHARS = 6
_MIN_STEMS = 3
_SHORT_CHARS = 3
_CHUNK_ROWS = 1024
_MAX_SHARE = 0.2
"""Stems in more than this share of the texts weigh next to nothing and cost most; they are left out."""


def paraphrase_pairs(texts_a: Sequence[str], texts_b: Sequence[str], threshold: float = 0.8) -> Pairs:
    """Return (index into `texts_a`, index into `texts_b`) whose stems' idf-weighted cosine is >= `threshold`.

    The third column holds that cosine. Texts with fewer than three stems are like nothing.

    Raises:
        ValueError: `threshold` is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold!r}")
    stems = [stems_of(text) for text in (*texts_a, *texts_b)]
    matrix = _weigh(stems)
    first, second = matrix[: len(texts_a)], matrix[len(texts_a) :].T.tocsc()
    lefts: list[np.ndarray] = []
    rights: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for start in range(0, len(texts_a), _CHUNK_ROWS):
        found = (first[start : start + _CHUNK_ROWS] @ second).tocoo()
        near = found.data >= threshold - 1e-9
        lefts.append(found.row[near] + start)
        rights.append(found.col[near])
        values.append(np.minimum(found.data[near], 1.0))
    left, right = (np.concatenate(part).astype(np.int64) if part else np.empty(0, np.int64) for part in (lefts, rights))
    order = np.lexsort((right, left))
    cosine = np.concatenate(values) if values else np.empty(0)
    return Pairs(left[order], right[order], cosine[order])


def stems_of(text: str) -> Counter[str]:
    """Count the words by their first six letters, without a final s: enough to forgive most inflection.

    Words with digits stay whole: they are numbers and names.
    """
    return Counter(_stem(word) for word in split_words(text))


def _stem(word: str) -> str:
    if not word.isalpha():
        return word
    return (word[:-1] if len(word) > _SHORT_CHARS and word[-1] == "s" else word)[:_STEM_CHARS]


def _weigh(stems: Sequence[Counter[str]]) -> Any:  # noqa: ANN401 - scipy's sparse types
    """Return the (n, V) matrix of idf weights, rows of length 1; rows with too few stems are empty."""
    frequency = Counter(stem for found in stems for stem in found)
    n, most = len(stems), max(2, int(_MAX_SHARE * len(stems)))
    column = {stem: index for index, stem in enumerate(sorted(s for s, count in frequency.items() if count <= most))}
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    for row, found in enumerate(stems):
        kept = [stem for stem in found if stem in column]
        if len(kept) < _MIN_STEMS:
            continue
        idf = np.log((1 + n) / (1 + np.array([frequency[stem] for stem in kept]))) + 1
        rows += [row] * len(kept)
        columns += [column[stem] for stem in kept]
        weights += (idf / np.linalg.norm(idf)).tolist()
    return sparse.csr_matrix((weights, (rows, columns)), shape=(n, max(1, len(column))))
