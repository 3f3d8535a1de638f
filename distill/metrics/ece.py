"""Expected calibration error over 15 bins, told beside what a perfectly calibrated system would show by noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill.metrics.accuracy import is_right
from distill.metrics.corpus_metric import CorpusMetric
from distill.metrics.protocol import Combine, Floats
from distill.records.prediction import Prediction
from distill.statistics.calibration import bin_of, ece_null

BINS = 15


def has_confidence(prediction: Prediction) -> bool:
    """Say whether the system gave a confidence."""
    return prediction.confidence is not None


def _vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
    return [_gaps(system) for system in systems], ece_from_sums


def _gaps(system: Sequence[Prediction]) -> Floats:
    """Return (n, bins + 1): confidence minus outcome in its bin, and 1; zeros where there is no confidence."""
    matrix = np.zeros((len(system), BINS + 1))
    rows = [index for index, p in enumerate(system) if p.confidence is not None]
    confidence = np.array([system[index].confidence for index in rows], np.float64)
    if rows:
        matrix[rows, bin_of(confidence, BINS)] = confidence - [is_right(system[index]) for index in rows]
        matrix[rows, BINS] = 1
    return matrix


def ece_from_sums(sums: Floats) -> Floats:
    """Return ECE (R,) from sums (R, bins + 1)."""
    gaps, n = np.abs(sums[:, :BINS]).sum(axis=1), sums[:, BINS]
    return np.divide(gaps, n, out=np.zeros_like(gaps), where=n > 0)


def describe_null(predictions: Sequence[Prediction]) -> str:
    """Say what a perfect system with these confidences would show."""
    confidence = [p.confidence for p in predictions if p.confidence is not None]
    if not confidence:
        return ""
    null = ece_null(confidence, BINS, 500)
    median, high = float(np.quantile(null, 0.5)), float(np.quantile(null, 0.95))
    return f"a perfectly calibrated system would show {median:.3f}, and up to {high:.3f} in 95 of 100 cases"


ECE = CorpusMetric(
    "ece", _vectorise, higher_is_better=False, keep=has_confidence, reflect=True, describe=describe_null
)  # fmt: skip
