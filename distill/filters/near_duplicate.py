"""`near_duplicate`: drops a row that is near to a row kept before it; every drop is verified by the true Jaccard.

MinHash bands only propose pairs. Numbers are never normalised: "send 50" and "send 60" are two different requests.
"""

from __future__ import annotations

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.copies import Inputs, find_copies, judge_copies
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.records.frozen import Frozen
from distill.similarity import Shingling, near_duplicate_pairs


class NearDuplicateConfig(Frozen):
    """How near is too near."""

    threshold: float = Field(default=0.85, gt=0, le=1)
    """Jaccard similarity from which a row counts as a copy."""
    width: int = Field(default=1, ge=1, le=8)
    """Words per shingle: 1 for messages; 3 or more for documents, which share vocabulary without being copies."""


def _near_duplicate(rows: Rows, config: NearDuplicateConfig, context: FilterContext) -> Judgement:
    """Judge rows in their order; samples of one example are no duplicates of each other."""
    inputs = Inputs(rows)
    pairs = near_duplicate_pairs(inputs.texts(), config.threshold, Shingling(width=config.width), context.joiner)
    return Judgement(judge_copies(inputs, find_copies(pairs), "near_duplicate", "Jaccard"))


NEAR_DUPLICATE = TableFilter("near_duplicate", 2, ("id", "text", "target"), _near_duplicate, NearDuplicateConfig)
