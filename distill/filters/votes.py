"""Counting answers to one question: who wins, by what share and margin. A failed answer is a vote for nothing."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from distill.records.verdict import KEEP, Verdict


class Vote(NamedTuple):
    """An election's bar: the winner needs more than `min_share` of all votes and `min_margin` over the second."""

    min_share: float
    min_margin: float


def judge_vote(votes: Counter[str | None], target: str | None, bar: Vote) -> Verdict:
    """Keep an answer that wins, or ties with the winner above the bar."""
    total = votes.total()
    counts = sorted((count for value, count in votes.items() if value is not None), reverse=True)
    most, second = (*counts, 0, 0)[:2]
    if most <= bar.min_share * total:
        return Verdict(False, "no_majority", f"{most} of {total}")
    if most - second < bar.min_margin * total:
        return Verdict(False, "narrow_majority", f"{most} to {second} of {total}")
    mine = 0 if target is None else votes[target]
    return KEEP if mine == most else Verdict(False, "minority", f"{mine} of {total}")
