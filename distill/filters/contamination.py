"""`contamination`: drops rows that share text with the held-out set: 13-word runs, near copies, or meaning.

What is known of the held-out set are digests of word runs, hashes of words and embeddings, never its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import numpy as np
import xxhash
from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.copies import Inputs
from distill.filters.protocol import FilterContext, Judgement, Need
from distill.filters.rows import Rows
from distill.filters.services import EmbeddingModel
from distill.records.frozen import Frozen
from distill.records.verdict import Verdict
from distill.similarity import best_cosines, cross_set_pairs, normalise

RUN_WORDS = 13
"""Length of the word runs that count as copied (Brown et al. 2020, arXiv:2005.14165, appendix C)."""
_BY_RUN = Verdict(False, "contamination", "shares 13 words with a held-out row")


class ContaminationConfig(Frozen):
    """How the held-out set is compared with."""

    methods: tuple[Literal["runs", "minhash", "embedding"], ...] = Field(default=("runs",), min_length=1)
    """`runs` of 13 words (the whole text when shorter), `minhash` near copies, `embedding` paraphrases."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity from which `minhash` calls a row a copy."""
    cosine: float = Field(default=0.9, gt=0, le=1)
    """Cosine from which `embedding` calls a row a paraphrase."""
    model: EmbeddingModel = EmbeddingModel()
    """The encoder of `embedding`."""


def _contamination(rows: Rows, config: ContaminationConfig, context: FilterContext) -> Judgement:
    """Judge each example by its input."""
    inputs = Inputs(rows)
    found: dict[int, Verdict] = {}
    if "embedding" in config.methods:
        found |= _find_paraphrases(inputs, config, context)
    if "minhash" in config.methods:
        found |= _find_near(inputs, config, context)
    if "runs" in config.methods:
        runs = context.heldout.runs
        texts = enumerate(inputs.texts())
        found |= {number: _BY_RUN for number, text in texts if any(run in runs for run in hash_runs(text))}
    return Judgement(inputs.spread(found))


def _find_near(inputs: Inputs, config: ContaminationConfig, context: FilterContext) -> dict[int, Verdict]:
    if context.heldout.words is None:
        return {}
    sets = context.joiner.encode(inputs.texts())
    pairs = cross_set_pairs(sets, context.heldout.words, config.threshold, context.joiner)
    return {
        left: Verdict(False, "contamination_near", f"Jaccard {score:.3f} with a held-out row")
        for left, _, score in pairs.tuples()
    }


def _find_paraphrases(inputs: Inputs, config: ContaminationConfig, context: FilterContext) -> dict[int, Verdict]:
    heldout = context.heldout.vectors
    if heldout is None or not len(inputs):
        return {}
    vectors = context.services.embedder()(list(inputs.texts()), config.model)
    best = best_cosines(vectors, heldout)
    return {
        number: Verdict(False, "contamination_meaning", f"cosine {best[number]:.3f} with a held-out row")
        for number in np.flatnonzero(best >= config.cosine).tolist()
    }


def hash_runs(text: str) -> Iterator[str]:
    """Yield the xxh3 digests (16 hex digits) of a text's 13-word runs; of the whole text when it is shorter."""
    normal = normalise(text)
    starts = [0]
    for word in normal.split(" "):
        starts.append(starts[-1] + len(word) + 1)
    for first in range(max(1, len(starts) - RUN_WORDS)):
        run = normal[starts[first] : starts[min(first + RUN_WORDS, len(starts) - 1)] - 1]
        if run:
            yield xxhash.xxh3_64_hexdigest(run.encode("utf-8", "surrogatepass"))


class Contamination(TableFilter):
    """The filter; it judges rows together for speed, but none by another."""

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return that embeddings are needed where paraphrases are looked for."""
        return ("embedder",) if "embedding" in cast("ContaminationConfig", config).methods else ()


CONTAMINATION = Contamination(
    "contamination", 2, ("id", "text"), _contamination, ContaminationConfig, may_drop_none=True, order_free=True
)
