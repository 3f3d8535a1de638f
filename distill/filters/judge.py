"""`judge`: another model scores answers by a rubric, or compares several answers to one input in both orders.

Its calls go through the journal and the budget. A judge of the teacher's own family likes its kin's answers
(Panickssery et al. 2024, arXiv:2404.13076) and is refused unless forced; a preference that turns with the order of the
answers counts for nobody.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from distill.errors import DataError, UsageError
from distill.filters.base import TableFilter, cut
from distill.filters.judge_words import ask_pair, ask_score, model_family, read_better, read_score
from distill.filters.protocol import FilterContext, Judgement
from distill.filters.rows import Rows
from distill.filters.services import Question, Reply
from distill.records.amounts import add_usd
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

_COLUMNS = ("id", "key", "text", "answer", "target", "value_json", "gold_json", "model")
MIN_GOLD = 100
"""Gold labels from which the judge's own error is shown as a number."""


class JudgePrice(Frozen):
    """Prices in USD per million tokens."""

    input: float = Field(ge=0)
    """Input tokens."""
    output: float = Field(ge=0)
    """Output tokens."""


class JudgeConfig(Frozen):
    """Who judges, by what, and what passes."""

    model: str
    """The judge's model."""
    rubric: str = Field(min_length=1)
    """What makes an answer good, in words."""
    mode: Literal["score", "pair"] = "score"
    """`score` each answer by itself; `pair` compares the different answers to one input and keeps the best."""
    scale: tuple[int, int] = (1, 5)
    """Worst and best score."""
    min_score: int = 4
    """Score from which an answer passes."""
    max_unparseable: float = Field(default=0.05, ge=0, le=1)
    """Share of replies without a readable verdict at most; above, the run stops."""
    same_family: Literal["refuse", "allow"] = "refuse"
    """What to do about a judge of the teacher's own family."""
    base_url: str | None = None
    """Endpoint; default: the teacher's."""
    api_key_env: str | None = None
    """Variable with the key; default: the teacher's."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature."""
    max_output_tokens: int = Field(default=256, ge=16)
    """Tokens per reply at most."""
    price: Literal["auto"] | JudgePrice = "auto"
    """`auto` looks the model up in the price book."""

    @model_validator(mode="after")
    def _check_scale(self) -> JudgeConfig:
        if not self.scale[0] < self.scale[1] or not self.scale[0] <= self.min_score <= self.scale[1]:
            raise ValueError(f"min_score {self.min_score} must lie on the scale {self.scale[0]} to {self.scale[1]}")
        return self


def _judge(rows: Rows, config: JudgeConfig, context: FilterContext) -> Judgement:
    """Judge the rows.

    Raises:
        UsageError: the judge is of a teacher's own family.
        DataError: too many replies hold no verdict.
    """
    refuse_kin(config, set(rows.values("model")))
    return (_judge_scores if config.mode == "score" else _judge_pairs)(rows, config, context)


def refuse_kin(config: JudgeConfig, teachers: set[str]) -> None:
    """Refuse a judge of a teacher's own family unless the config allows it.

    Raises:
        UsageError: naming both.
    """
    kin = sorted(model for model in teachers if model_family(model) == model_family(config.model))
    if kin and config.same_family == "refuse":
        raise UsageError(
            f"filter judge: {config.model!r} is of the family of the teacher {kin[0]!r} and would favour its answers; "
            "take another model, or set same_family: allow"
        )


def _judge_scores(rows: Rows, config: JudgeConfig, context: FilterContext) -> Judgement:
    asked = zip(rows.values("key"), rows.strings("text"), rows.strings("answer"), strict=True)
    questions = [
        Question(key or "", ask_score(config.rubric, config.scale, text, answer)) for key, text, answer in asked
    ]
    replies = context.services.asker()(config, questions)
    scores = [None if reply.error_kind else read_score(reply.text, config.scale) for reply in replies]
    verdicts = [_pass(score, reply, config) for score, reply in zip(scores, replies, strict=True)]
    unreadable = _cap_unreadable(sum(score is None for score in scores), len(scores), config)
    notes = (*unreadable, *_calibrate(rows, verdicts, context))
    return Judgement(verdicts, notes, _total(replies))


def _pass(score: int | None, reply: Reply, config: JudgeConfig) -> Verdict:
    if score is None:
        return Verdict(False, "judge_unparseable", cut(reply.error_kind or reply.text))
    return KEEP if score >= config.min_score else Verdict(False, "judged_low", f"{score}: {cut(reply.text)}")


def _cap_unreadable(count: int, total: int, config: JudgeConfig) -> tuple[str, ...]:
    if count > config.max_unparseable * total:
        raise DataError(
            f"filter judge: {count} of {total} replies of {config.model!r} hold no verdict (at most "
            f"{config.max_unparseable:.0%}); mend the rubric or raise max_unparseable"
        )
    return (f"{count} of {total} replies held no verdict",) if count else ()


def _total(replies: Sequence[Reply]) -> float | None:
    return add_usd(reply.cost_usd for reply in replies)


def _calibrate(rows: Rows, verdicts: Sequence[Verdict], context: FilterContext) -> tuple[str, ...]:
    """Say how often the judge is wrong, by the rows whose gold tells."""
    from distill.statistics.proportions import wilson_interval  # noqa: PLC0415  (scipy)

    counted: Counter[tuple[bool, bool]] = Counter()
    for value, gold, verdict in zip(rows.values("value_json"), rows.values("gold_json"), verdicts, strict=True):
        if gold is not None and value is not None and verdict.reason != "judge_unparseable":
            counted[(context.agrees(json.loads(value), json.loads(gold)), verdict.keep)] += 1
    n = counted.total()
    if n < MIN_GOLD:
        return (f"not calibrated: {n} rows have gold, {MIN_GOLD} are needed to show the judge's error",)
    wrong = counted[True, False] + counted[False, True]
    interval = wilson_interval(wrong, n)
    passed_wrong, right = counted[False, True], counted[True, True] + counted[True, False]
    return (
        f"wrong on {wrong} of {n} rows with gold: error {wrong / n:.3f} ({interval.low:.3f} to {interval.high:.3f}); "
        f"it passed {passed_wrong} of {n - right} wrong answers "
        f"and refused {counted[True, False]} of {right} right ones",
    )


class _Match(NamedTuple):
    identity: str
    first: str
    second: str


def _judge_pairs(rows: Rows, config: JudgeConfig, context: FilterContext) -> Judgement:
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    texts = dict(zip(rows.values("id"), rows.strings("text"), strict=True))
    for identity, target, answer in zip(rows.values("id"), rows.values("target"), rows.strings("answer"), strict=True):
        if target is not None:
            answers[identity].setdefault(target, answer)
    matches = [_Match(name, *pair) for name, by in answers.items() for pair in combinations(sorted(by), 2)]
    questions = [
        Question(match.identity, ask_pair(config.rubric, texts[match.identity], by[left], by[right]))
        for match in matches
        for by in (answers[match.identity],)
        for left, right in ((match.first, match.second), (match.second, match.first))
    ]
    replies = context.services.asker()(config, questions) if questions else []
    words = [None if reply.error_kind else read_better(reply.text) for reply in replies]
    notes = _cap_unreadable(sum(word is None for word in words), len(words), config)
    wins: dict[str, Counter[str]] = defaultdict(Counter)
    torn = 0
    for match, forward, back in zip(matches, words[::2], words[1::2], strict=True):
        winner = {("A", "B"): match.first, ("B", "A"): match.second}.get((forward or "", back or ""))
        torn += forward == back and forward in ("A", "B")
        if winner is not None:
            wins[match.identity][winner] += 1
    if torn:
        notes += (f"{torn} of {len(matches)} comparisons turned with the order of the answers and count for neither",)
    verdicts = [_best(wins[i], target) for i, target in zip(rows.values("id"), rows.values("target"), strict=True)]
    return Judgement(verdicts, notes, _total(replies))


def _best(wins: Counter[str], target: str | None) -> Verdict:
    most = max(wins.values(), default=0)
    mine = 0 if target is None else wins[target]
    return KEEP if mine == most else Verdict(False, "judged_worse", f"won {mine} comparisons, the best {most}")


JUDGE = TableFilter("judge", 1, _COLUMNS, _judge, JudgeConfig, asks_again=True, needs=("asker",))
