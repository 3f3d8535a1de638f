"""`exact_duplicate`: drops later rows whose normalised input is that of an earlier row with another id."""

from __future__ import annotations

import numpy as np

from distill.filters.base import TableFilter
from distill.filters.copies import Copy, Inputs, judge_copies
from distill.filters.protocol import FilterContext, Judgement, NoOptions
from distill.filters.rows import Rows


def _exact_duplicate(rows: Rows, config: NoOptions, context: FilterContext) -> Judgement:
    """Judge rows in their order; samples of one example are no duplicates of each other."""
    del config
    inputs = Inputs(rows)
    digests = context.joiner.digest(inputs.texts())
    _, first, which = np.unique(digests, return_index=True, return_inverse=True)
    owners = first[which]
    later = np.flatnonzero(owners != np.arange(len(owners)))
    copies = {number: Copy(owner, 1.0) for number, owner in zip(later.tolist(), owners[later].tolist(), strict=True)}
    return Judgement(judge_copies(inputs, copies, "exact_duplicate", None))


EXACT_DUPLICATE = TableFilter("exact_duplicate", 2, ("id", "text", "target"), _exact_duplicate)
