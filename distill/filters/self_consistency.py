"""`self_consistency`: keeps the answer that most samples of an example give; lone samples pass."""

from __future__ import annotations

from collections import Counter, defaultdict

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.votes import Vote, judge_vote
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP


class SelfConsistencyConfig(Frozen):
    """How united the samples of one example must be (Wang et al. 2022, arXiv:2203.11171)."""

    min_share: float = Field(default=0.5, ge=0.5, lt=1)
    """Share of an example's samples that the winning answer must exceed."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Lead over the second answer at least, as a share of the samples."""


def _self_consistency(rows: Rows, config: SelfConsistencyConfig, context: FilterContext) -> Judgement:
    """Judge all samples of one teacher on an example together, whatever their order."""
    del context
    bar = Vote(config.min_share, config.min_margin)
    asked = list(zip(rows.values("id"), rows.values("teacher"), strict=True))
    votes: dict[tuple[str, int | None], Counter[str | None]] = defaultdict(Counter)
    for who, target in zip(asked, rows.values("target"), strict=True):
        votes[who][target] += 1
    return Judgement(
        [
            KEEP if votes[who].total() == 1 else judge_vote(votes[who], target, bar)
            for who, target in zip(asked, rows.values("target"), strict=True)
        ]
    )


SELF_CONSISTENCY = TableFilter(
    "self_consistency", 1, ("id", "teacher", "target"), _self_consistency, SelfConsistencyConfig, asks_again=True
)
