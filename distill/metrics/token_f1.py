"""Token F1 (SQuAD): the overlap of normalised words between answer and reference, as a bag."""

from __future__ import annotations

from collections import Counter

from distill.metrics.item_metric import ItemMetric
from distill.metrics.words import as_text, normalise_answer
from distill.records.prediction import Prediction


def token_f1(prediction: Prediction) -> float:
    """Return 2 |shared| / (|answer| + |reference|) over words; 1 where both are empty after normalisation."""
    if prediction.error_kind is not None:
        return 0.0
    said = normalise_answer(as_text(prediction.parsed)).split()
    wanted = normalise_answer(as_text(prediction.reference)).split()
    if not said or not wanted:
        return float(said == wanted)
    return 2 * sum((Counter(said) & Counter(wanted)).values()) / (len(said) + len(wanted))


TOKEN_F1 = ItemMetric("token_f1", token_f1)
