"""Stand-ins of our own for the services that filters are handed: pure functions of what they are given."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from distill.filters import EmbeddingModel, Losses, Question, Reply, Reread, Services
from distill.records.frozen import Frozen
from distill.records.json import dump_canonical
from distill.similarity import split_words


def embed(texts: Sequence[str], model: EmbeddingModel | None = None) -> NDArray[np.float32]:
    """Turn each text into the unit vector of its hashed words."""
    vectors = np.zeros((len(texts), 256), np.float32)
    for row, text in enumerate(texts):
        for word in split_words(text) or ["(nothing)"]:
            vectors[row, zlib.crc32(word.encode()) % 256] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(pairs: Sequence[tuple[str, str]]) -> list[Losses]:
    """Call long answers hard, and those that repeat the prompt's words easy."""
    return [
        Losses(1.0 + len(set(answer.split()) - set(prompt.split())) / 10, 1.0 + len(set(answer.split())) / 10)
        for prompt, answer in pairs
    ]


class FakeAsker:
    """Answers every question by a function of its text, and remembers what was asked."""

    def __init__(self, answer: Callable[[str], str], cost_usd: float = 0.01) -> None:
        self._answer, self._cost_usd = answer, cost_usd
        self.asked: list[Question] = []

    def __call__(self, judge: Frozen, questions: Sequence[Question]) -> list[Reply]:
        self.asked += questions
        return [Reply(self._answer(question.messages[-1].content), None, self._cost_usd) for question in questions]


def reread_json(text: str) -> Reread:
    """Read an answer as JSON, or as it is."""
    try:
        value = dump_canonical(json.loads(text))
    except ValueError:
        value = dump_canonical(text)
    return Reread(value, value, None)


def score_by_length(text: str) -> str:
    """A judge that likes answers about money back."""
    return json.dumps({"score": 5 if "refund" in text.split("ANSWER")[-1].lower() else 1})


SERVICES = Services(ask=FakeAsker(score_by_length), embed=embed, losses=measure)
