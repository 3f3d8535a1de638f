"""`diversity`: selects a target number of examples that cover the inputs (k-centre), balanced over the answers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.copies import Inputs
from distill.filters.protocol import FilterContext, Judgement, Need
from distill.filters.rows import Rows
from distill.filters.selection import TargetSize, group_by_target, keep_chosen, share_out
from distill.filters.services import EmbeddingModel
from distill.similarity import pick_spread, split_words

WORD_DIMENSIONS = 256


class DiversityConfig(TargetSize):
    """How the examples are spread (Sener and Savarese 2018, arXiv:1708.00489)."""

    balance: Literal["none", "proportional", "even"] = "proportional"
    """Over the answers: not at all, as they are, or as evenly as there are examples."""
    vectors: Literal["words", "embedding"] = "words"
    """What tells inputs apart: hashed words (no model), or embeddings."""
    model: EmbeddingModel = EmbeddingModel()
    """The encoder of `embedding`."""
    max_examples: int = Field(default=200_000, ge=1)
    """More examples than this are first thinned out by a hash of their text: k-centre is quadratic."""


def _diversity(rows: Rows, config: DiversityConfig, context: FilterContext) -> Judgement:
    """Choose examples; all answers of a chosen example stay."""
    inputs = Inputs(rows)
    names, texts = inputs.names(), list(inputs.texts())
    wanted = config.count(len(names))
    if wanted == len(names):
        return Judgement(keep_chosen(rows, set(names), "not_selected"))
    vectors = context.services.embedder()(texts, config.model) if config.vectors == "embedding" else embed_words(texts)
    groups = group_by_target(rows, names) if config.balance != "none" else {None: list(range(len(names)))}
    places = share_out(wanted, {name: len(group) for name, group in groups.items()}, evenly=config.balance == "even")
    chosen: set[str] = set()
    for name, group in groups.items():
        chosen |= {names[group[pick]] for pick in pick_spread(vectors[group], places[name])}
    return Judgement(keep_chosen(rows, chosen, "not_selected"))


def embed_words(texts: list[str]) -> NDArray[np.float32]:
    """Turn texts into unit vectors of signed hashed words, rarer words weighing more (feature hashing with IDF)."""
    words = [sorted(set(split_words(text))) for text in texts]
    frequency: dict[str, int] = {}
    for found in words:
        for word in found:
            frequency[word] = frequency.get(word, 0) + 1
    hashes = {word: xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass")) for word in frequency}
    vectors = np.zeros((len(texts), WORD_DIMENSIONS), np.float32)
    for row, found in enumerate(words):
        for word in found:
            weight = np.log1p(len(texts) / frequency[word])
            vectors[row, hashes[word] % WORD_DIMENSIONS] += weight if hashes[word] >> 63 else -weight
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


class Diversity(TableFilter):
    """The filter; it needs a model only where embeddings tell inputs apart."""

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return its needs."""
        return ("embedder",) if isinstance(config, DiversityConfig) and config.vectors == "embedding" else ()


DIVERSITY = Diversity("diversity", 1, ("id", "text", "target"), _diversity, DiversityConfig, may_drop_none=True)
