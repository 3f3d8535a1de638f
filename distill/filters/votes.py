"""Counting answers to one question: who wins, by what share and margin. A failed answer is a vote for nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from distill.records.verdict import KEEP, Verdict


class Vote(NamedTuple):
    """An election's bar: the winner needs more than `min_share` of all votes and `min_margin` over the second."""

    min_share: float
    min_margin: float


def lead_of(votes: Counter[str | None]) -> tuple[int, int]:
    """Return the votes of the first and the second answer."""
    most, second, *_ = (*sorted((count for value, count in votes.items() if value is not None), reverse=True), 0, 0)
    return most, second


def count_teachers(
    ids: Sequence[str], teachers: Sequence[int | None], targets: Sequence[str | None]
) -> dict[str, Counter[str | None]]:
    """Count the teachers' answers to each example: a teacher has one vote, its most frequent sample.

    A teacher whose samples are divided evenly, like one that failed, votes for nothing (None).
    """
    said: dict[str, dict[int | None, Counter[str | None]]] = defaultdict(lambda: defaultdict(Counter))
    for identity, teacher, target in zip(ids, teachers, targets, strict=True):
        said[identity][teacher][target] += 1
    return {identity: Counter(word_of(samples) for samples in by.values()) for identity, by in said.items()}


def word_of(samples: Counter[str | None]) -> str | None:
    """Return a teacher's most frequent sample; None where two share the first place."""
    (word, count), *rest = samples.most_common(2)
    return None if rest and rest[0][1] == count else word


def judge_vote(votes: Counter[str | None], target: str | None, bar: Vote) -> Verdict:
    """Keep an answer that wins, or ties with the winner above the bar."""
    total = votes.total()
    most, second = lead_of(votes)
    if most <= bar.min_share * total:
        return Verdict(False, "no_majority", f"{most} of {total}")
    if most - second < bar.min_margin * total:
        return Verdict(False, "narrow_majority", f"{most} to {second} of {total}")
    mine = 0 if target is None else votes[target]
    return KEEP if mine == most else Verdict(False, "minority", f"{mine} of {total}")
