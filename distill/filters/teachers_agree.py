"""`teachers_agree`: keeps answers that enough of several teachers give; each teacher has one vote per example."""

from __future__ import annotations

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.votes import Vote, count_teachers, judge_vote
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class TeachersAgreeConfig(Frozen):
    """How many teachers must say the same."""

    min_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of the teachers that answered which the winning answer must exceed."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Lead over the second answer at least, as a share of the teachers."""
    min_teachers: int = Field(default=2, ge=2)
    """Examples that fewer teachers answered are not judged."""
    required: bool = False
    """Drop those examples instead of passing them."""


def _teachers_agree(rows: Rows, config: TeachersAgreeConfig, context: FilterContext) -> Judgement:
    """Judge all answers to an example that are left together, whatever their order."""
    del context
    bar = Vote(config.min_share, config.min_margin)
    votes = count_teachers(rows.values("id"), rows.values("teacher"), rows.values("target"))
    few = Verdict(False, "too_few_teachers", f"fewer than {config.min_teachers}") if config.required else KEEP
    return Judgement(
        [
            few if votes[identity].total() < config.min_teachers else judge_vote(votes[identity], target, bar)
            for identity, target in zip(rows.values("id"), rows.values("target"), strict=True)
        ]
    )


TEACHERS_AGREE = TableFilter(
    "teachers_agree", 1, ("id", "teacher", "target"), _teachers_agree, TeachersAgreeConfig, asks_again=True
)
