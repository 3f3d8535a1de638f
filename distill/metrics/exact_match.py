"""Exact match, three ways: letter for letter, after normalisation, and as numbers. A failure never matches."""

from __future__ import annotations

import math

from distill.metrics.item_metric import ItemMetric
from distill.metrics.words import as_text, normalise_answer, number_of
from distill.records.prediction import Prediction

RELATIVE_TOLERANCE = 1e-6


def match_raw(prediction: Prediction) -> float:
    """Return 1 where the raw answer is the reference, letter for letter."""
    return float(prediction.error_kind is None and prediction.text == as_text(prediction.reference))


def match_normalised(prediction: Prediction) -> float:
    """Return 1 where parsed answer and reference are the same after `normalise_answer`."""
    if prediction.error_kind is not None:
        return 0.0
    said, wanted = as_text(prediction.parsed), as_text(prediction.reference)
    return float(
        said == wanted or (bool(normalise_answer(wanted)) and normalise_answer(said) == normalise_answer(wanted))
    )


def match_number(prediction: Prediction) -> float | None:
    """Return 1 where both hold the same number (relative 1e-6); None where the reference holds none."""
    wanted = number_of(prediction.reference)
    if wanted is None:
        return None
    said = None if prediction.error_kind is not None else number_of(prediction.parsed)
    return float(said is not None and math.isclose(said, wanted, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12))


EXACT_MATCH = ItemMetric("exact_match", match_normalised)
EXACT_MATCH_RAW = ItemMetric("exact_match_raw", match_raw)
EXACT_MATCH_NUMERIC = ItemMetric("exact_match_numeric", match_number)
