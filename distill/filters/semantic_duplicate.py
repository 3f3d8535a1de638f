"""`semantic_duplicate`: drops a row whose input means what an earlier kept row's does, by the cosine of embeddings."""

from __future__ import annotations

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.copies import Inputs, find_copies, judge_copies
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.services import EmbeddingModel
from distill.records.frozen import Frozen
from distill.similarity import near_vector_pairs


class SemanticDuplicateConfig(Frozen):
    """How alike two meanings may be (Abbas et al. 2023, arXiv:2303.09540)."""

    threshold: float = Field(default=0.95, gt=0, le=1)
    """Cosine from which a row counts as a copy."""
    model: EmbeddingModel = EmbeddingModel()
    """The encoder."""


def _semantic_duplicate(rows: Rows, config: SemanticDuplicateConfig, context: FilterContext) -> Judgement:
    """Judge rows in their order; samples of one example are no duplicates of each other."""
    inputs = Inputs(rows)
    if not len(inputs):
        return Judgement([])
    vectors = context.services.embedder()(list(inputs.texts()), config.model)
    pairs = near_vector_pairs(vectors, config.threshold)
    return Judgement(judge_copies(inputs, find_copies(pairs), "semantic_duplicate", "cosine"))


SEMANTIC_DUPLICATE = TableFilter(
    "semantic_duplicate", 1, ("id", "text", "target"), _semantic_duplicate, SemanticDuplicateConfig, needs=("embedder",)
)
