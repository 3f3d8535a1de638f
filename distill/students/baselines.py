"""Baselines a student must be worth more than: the majority label and a TF-IDF linear probe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from distill.records.training import Answer, Prompt, TrainingRow

PROBE_MAX_FEATURES = 100_000


class Baseline(Protocol):
    """Something cheap that answers prompts."""

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts, in order."""
        ...


class Majority:
    """Always the most frequent training answer (ties: the first by alphabet)."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        counts = Counter(row.target for row in rows)
        self._answer = min(counts, key=lambda target: (-counts[target], target))
        self._share = counts[self._answer] / len(rows)

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts, in order."""
        return [Answer(prompt.id, self._answer, self._share) for prompt in prompts]


class LinearProbe:
    """Logistic regression on word and character TF-IDF: what a good engineer has in an afternoon."""

    def __init__(self, rows: Sequence[TrainingRow], seed: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 heavy, only here
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=PROBE_MAX_FEATURES)
        characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=PROBE_MAX_FEATURES
        )
        classifier = LogisticRegression(C=10.0, max_iter=1000, random_state=seed)
        self._pipeline: Any = make_pipeline(make_union(words, characters), classifier)
        self._pipeline.fit([row.prompt.user for row in rows], [row.target for row in rows])

    def predict(self, prompts: Sequence[Prompt]) -> list[Answer]:
        """Answer prompts, in order."""
        probabilities = self._pipeline.predict_proba([prompt.user for prompt in prompts])
        best = probabilities.argmax(axis=1)
        classes = self._pipeline.classes_
        return [
            Answer(prompt.id, str(classes[label]), float(row[label]))
            for prompt, label, row in zip(prompts, best, probabilities, strict=True)
        ]


def make_baseline(name: str, rows: Sequence[TrainingRow], seed: int) -> Baseline:
    """Fit the named baseline on the lessons.

    Raises:
        ValueError: the name is unknown, or a probe has fewer than two labels to tell apart.
    """
    if name == "majority":
        return Majority(rows)
    if name == "linear_probe":
        return Majority(rows) if len({row.target for row in rows}) == 1 else LinearProbe(rows, seed)
    raise ValueError(f"unknown baseline {name!r}; known: majority, linear_probe")
