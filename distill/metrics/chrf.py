"""Corpus chrF (Popović 2015, W15-3049) by sacrebleu, 0 to 100 points: character 6-grams, beta 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill.metrics.corpus_metric import CorpusMetric
from distill.metrics.protocol import Combine, Floats
from distill.metrics.sacre import load_sacrebleu, texts_of
from distill.records.prediction import Prediction

ORDER, BETA = 6, 2


def count_ngrams(predictions: Sequence[Prediction]) -> Floats:
    """Return (n, 18): per order the n-grams of the answer, of the reference, and those that match.

    Raises:
        UsageError: sacrebleu is not installed.
    """
    chrf = load_sacrebleu("chrf").CHRF(char_order=ORDER, word_order=0, beta=BETA)
    pairs = texts_of(predictions)
    said, wanted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    # sacrebleu's own significance tests read these sums; there is no public way to them
    rows = chrf._extract_corpus_statistics(said, [wanted]) if pairs else []  # noqa: SLF001
    return np.array(rows, np.float64).reshape(len(pairs), 3 * ORDER)


def chrf_from_sums(sums: Floats) -> Floats:
    """Return chrF (R,) from sums (R, 18): F-beta of the mean precision and recall over orders that occur."""
    said, wanted, matched = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
    occur = (said > 0) & (wanted > 0)
    orders = np.maximum(occur.sum(axis=1), 1)
    precision = np.divide(matched, said, out=np.zeros_like(matched), where=occur).sum(axis=1) / orders
    recall = np.divide(matched, wanted, out=np.zeros_like(matched), where=occur).sum(axis=1) / orders
    weight = BETA**2 * precision + recall
    return 100 * np.divide((1 + BETA**2) * precision * recall, weight, out=np.zeros_like(weight), where=weight > 0)


def _vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
    return [count_ngrams(system) for system in systems], chrf_from_sums


CHRF = CorpusMetric(
    "chrf",
    _vectorise,
    unit="points",
    per_item=lambda p: float(chrf_from_sums(count_ngrams([p]))[0]),
    bounds=(0.0, 100.0),
)
