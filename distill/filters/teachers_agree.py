"""`teachers_agree`: keeps answers that enough of several teachers give; each teacher has one vote per example."""

from __future__ import annotations

from collections import Counter, defaultdict

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.votes import Vote, judge_vote
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
    """Judge all answers to an example together, whatever their order."""
    del context
    bar = Vote(config.min_share, config.min_margin)
    said: dict[str, dict[str, Counter[str | None]]] = defaultdict(lambda: defaultdict(Counter))
    for identity, model, target in zip(rows.values("id"), rows.values("model"), rows.values("target"), strict=True):
        said[identity][model][target] += 1
    votes = {identity: Counter(_word(samples) for samples in by.values()) for identity, by in said.items()}
    few = Verdict(False, "too_few_teachers", f"fewer than {config.min_teachers}") if config.required else KEEP
    return Judgement(
        [
            few if votes[identity].total() < config.min_teachers else judge_vote(votes[identity], target, bar)
            for identity, target in zip(rows.values("id"), rows.values("target"), strict=True)
        ]
    )


def _word(samples: Counter[str | None]) -> str | None:
    """Return a teacher's most frequent answer; None where its samples are divided evenly."""
    (word, count), *rest = samples.most_common(2)
    return None if rest and rest[0][1] == count else word


TEACHERS_AGREE = TableFilter(
    "teachers_agree", 1, ("id", "model", "target"), _teachers_agree, TeachersAgreeConfig, asks_again=True
)
