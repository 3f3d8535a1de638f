"""Perplexity of the reference answer under a system that gives log-probabilities: exp of the mean token loss."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from distill.metrics.corpus_metric import CorpusMetric
from distill.metrics.protocol import Combine, Floats
from distill.records.prediction import Prediction


def _losses(prediction: Prediction) -> tuple[float, float]:
    if prediction.reference_logprob is None or not prediction.reference_tokens:
        return 0.0, 0.0
    return -prediction.reference_logprob, float(prediction.reference_tokens)


def perplexity_from_sums(sums: Floats) -> Floats:
    """Return exp(loss / tokens) (R,) from sums (R, 2)."""
    return np.exp(np.divide(sums[:, 0], sums[:, 1], out=np.zeros_like(sums[:, 0]), where=sums[:, 1] > 0))


def _vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
    return [np.array([_losses(p) for p in s], np.float64).reshape(len(s), 2) for s in systems], perplexity_from_sums


def _of_one(prediction: Prediction) -> float | None:
    loss, tokens = _losses(prediction)
    return math.exp(loss / tokens) if tokens else None


PERPLEXITY = CorpusMetric(
    "perplexity", _vectorise, unit="", higher_is_better=False, per_item=_of_one,
    keep=lambda p: bool(p.reference_tokens) and p.reference_logprob is not None, bounds=(1.0, math.inf),
)  # fmt: skip
