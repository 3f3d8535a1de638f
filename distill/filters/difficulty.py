"""`difficulty`: selects a target number of examples by how hard the answer is for the student's own base (IFD).

IFD = exp(loss of the answer given the prompt - loss of the answer alone): near 0 the prompt gives the answer away, at
1 or above it does not help at all, which mostly means that the answer does not belong to it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Literal

from pydantic import Field

from distill.filters.base import TableFilter
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.selection import TargetSize, group_by_target, share_out
from distill.records.verdict import KEEP, Verdict


class DifficultyConfig(TargetSize):
    """Which examples are worth their place (Li et al. 2024, arXiv:2308.12032)."""

    prefer: Literal["hard", "easy", "middle"] = "hard"
    """The highest, the lowest, or the most median difficulty."""
    max_ifd: float | None = Field(default=1.0, gt=0)
    """Answers above are dropped as misaligned with their prompt, before the selection."""
    balance: Literal["none", "proportional", "even"] = "proportional"
    """Over the answers."""


def _difficulty(rows: Rows, config: DifficultyConfig, context: FilterContext) -> Judgement:
    """Score each answer, drop the misaligned, select among the rest."""
    if not rows.num_rows:
        return Judgement([])
    pairs = list(zip(rows.strings("text"), rows.strings("target"), strict=True))
    scores = [
        round(math.exp(min(loss.given_prompt - loss.alone, 50.0)), 4) for loss in context.services.loss_model()(pairs)
    ]
    verdicts = [
        Verdict(False, "misaligned", f"IFD {score:.4f}")
        if config.max_ifd is not None and score > config.max_ifd
        else KEEP
        for score in scores
    ]
    left = rows.keep([verdict.keep for verdict in verdicts])
    by_name: dict[str, list[float]] = defaultdict(list)
    for name, score, verdict in zip(rows.values("id"), scores, verdicts, strict=True):
        if verdict.keep:
            by_name[name].append(score)
    chosen = _choose(left, {name: sum(found) / len(found) for name, found in by_name.items()}, config)
    return Judgement(
        [
            verdict if not verdict.keep or name in chosen else Verdict(False, "not_selected", f"IFD {score:.4f}")
            for name, score, verdict in zip(rows.values("id"), scores, verdicts, strict=True)
        ]
    )


def _choose(rows: Rows, scores: dict[str, float], config: DifficultyConfig) -> set[str]:
    names = list(scores)
    wanted = config.count(len(names))
    groups = group_by_target(rows, names) if config.balance != "none" else {None: list(range(len(names)))}
    places = share_out(wanted, {name: len(group) for name, group in groups.items()}, evenly=config.balance == "even")
    middle = sorted(scores.values())[len(scores) // 2] if scores else 0.0

    def rank(name: str) -> tuple[float, str]:
        score = scores[name]
        return {"hard": -score, "easy": score, "middle": abs(score - middle)}[config.prefer], name

    chosen: set[str] = set()
    for label, group in groups.items():
        chosen |= set(sorted((names[place] for place in group), key=rank)[: places[label]])
    return chosen


DIFFICULTY = TableFilter(
    "difficulty", 1, ("id", "text", "target"), _difficulty, DifficultyConfig, may_drop_none=True, needs=("losses",)
)
