"""Filters by agreement: of an answer with gold, and of a teacher's samples with each other."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import cast

import pyarrow as pa
from pydantic import Field

from distill.filters.members import RowFilter, cut
from distill.filters.protocol import FilterContext, NoOptions
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


def _answer_agrees(_: NoOptions, context: FilterContext, value: str | None, gold: str | None) -> Verdict:
    if gold is None:
        return KEEP
    if value is None:
        return Verdict(False, "no_answer")
    return KEEP if context.agrees(json.loads(value), json.loads(gold)) else Verdict(False, "not_gold", cut(value))


class SelfConsistencyConfig(Frozen):
    """How united the samples of one example must be."""

    min_share: float = Field(default=0.5, ge=0.5, lt=1)
    """Share of an example's samples that the winning answer must exceed."""


class SelfConsistency:
    """Keeps the answers that more than `min_share` of an example's samples give; lone samples pass."""

    name = "self_consistency"
    version = 1
    order_free = False
    config_type = SelfConsistencyConfig

    def judge(self, rows: pa.Table, config: object, context: FilterContext) -> Sequence[Verdict]:
        """Judge all samples of an example together, whatever their order; one that did not parse is a vote for none."""
        del context
        min_share = cast("SelfConsistencyConfig", config).min_share
        ids = cast("list[str]", rows.column("id").to_pylist())
        targets = cast("list[str | None]", rows.column("target").to_pylist())
        votes: dict[str, Counter[str | None]] = defaultdict(Counter)
        for identity, target in zip(ids, targets, strict=True):
            votes[identity][target] += 1
        return [_vote(votes[i], target, min_share) for i, target in zip(ids, targets, strict=True)]


def _vote(votes: Counter[str | None], target: str | None, min_share: float) -> Verdict:
    total = votes.total()
    if total == 1:
        return KEEP
    most = max((count for value, count in votes.items() if value is not None), default=0)
    if most <= min_share * total:
        return Verdict(False, "no_majority", f"{most} of {total}")
    mine = 0 if target is None else votes[target]
    return KEEP if mine == most else Verdict(False, "minority", f"{mine} of {total}")


ANSWER_AGREES = RowFilter("answer_agrees", 1, ("value_json", "gold_json"), _answer_agrees)
SELF_CONSISTENCY = SelfConsistency()
