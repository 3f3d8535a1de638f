"""How a model that knows the probability of every answer says one of them: token by token, each with its rivals."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_PIECE = re.compile(r"[\W_]*[^\W_]+|[\W_]+")


class Step(NamedTuple):
    """One token that was said, its probability after those before it, and the likeliest tokens there."""

    token: str
    probability: float
    top: Sequence[tuple[str, float]]


def split_words(text: str) -> list[str]:
    """Split a text into words, each with what comes before it; joined they are the text."""
    return _PIECE.findall(text)


def spell_out(
    said: str, answers: Mapping[str, float], split: Callable[[str], Sequence[str]], top: int, end: str
) -> list[Step]:
    """Say `said`, one of `answers` (text -> probability), in the tokens that `split` gives; `end` ends every answer.

    The last step is the end's. A token's probability is that of all answers that go on so, over those that got there.
    """
    spelt = {text: (*split(text), end) for text in answers}
    steps: list[Step] = []
    alive = list(answers)
    for i, token in enumerate(spelt[said]):
        weights: dict[str, float] = defaultdict(float)
        for text in alive:
            weights[spelt[text][i]] += answers[text]
        total = sum(weights.values())
        ranked = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:top]
        steps.append(Step(token, weights[token] / total, [(name, weight / total) for name, weight in ranked]))
        alive = [text for text in alive if spelt[text][i] == token]
    return steps
