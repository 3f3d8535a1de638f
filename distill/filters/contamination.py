"""`contamination`: drops rows that share text with the held-out set: 13-word runs, near copies, or meaning.

What is known of the held-out set are digests of word runs, hashes of words and embeddings, never its text.
"""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.copies import Inputs
from distill.filters.protocol import FilterContext, Judgement, Need
from distill.filters.rows import Rows
from distill.filters.services import EmbeddingModel
from distill.records.frozen import Frozen
from distill.records.verdict import Verdict
from distill.similarity import RUN_WORDS, best_cosines, cross_set_pairs, share_runs

_BY_RUN = Verdict(False, "contamination", f"shares {RUN_WORDS} words with a held-out row")


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
        shared = share_runs(inputs.texts(), context.heldout.runs)
        found |= dict.fromkeys(np.flatnonzero(shared).tolist(), _BY_RUN)
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


class Contamination(TableFilter):
    """The filter; it judges rows together for speed, but none by another."""

    def needs_of(self, config: object) -> tuple[Need, ...]:
        """Return that embeddings are needed where paraphrases are looked for."""
        return ("embedder",) if "embedding" in cast("ContaminationConfig", config).methods else ()


CONTAMINATION = Contamination(
    "contamination", 2, ("id", "text"), _contamination, ContaminationConfig, may_drop_none=True, order_free=True
)
