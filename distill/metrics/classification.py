"""Macro-F1 and balanced accuracy over the classes that occur in the reference; failures are misses of their class.

A predicted class that is never a reference adds no term of its own: its rows already count as misses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill.metrics.accuracy import is_right
from distill.metrics.corpus_metric import metric_of_counts
from distill.metrics.protocol import Floats
from distill.records.json import Json, dump_canonical
from distill.records.prediction import Prediction


def class_key(value: Json) -> str:
    """Name a class: the label itself, or canonical JSON of anything else."""
    return value if isinstance(value, str) else dump_canonical(value)


def confusion(predictions: Sequence[Prediction]) -> dict[tuple[str, str], int]:
    """Count (reference, predicted) pairs; a failure is predicted as `(failure)`."""
    counts: dict[tuple[str, str], int] = {}
    for prediction in predictions:
        said = "(failure)" if prediction.error_kind is not None else class_key(prediction.parsed)
        pair = (class_key(prediction.reference), said)
        counts[pair] = counts.get(pair, 0) + 1
    return dict(sorted(counts.items()))


def count_classes(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], int]:
    """Return per system an (n, 3L) matrix of [true positive | reference | predicted] per class, and L."""
    classes = sorted({class_key(p.reference) for system in systems for p in system})
    column = {name: i for i, name in enumerate(classes)}
    L = len(classes)
    matrices: list[Floats] = []
    for system in systems:
        matrix = np.zeros((len(system), 3 * L))
        for row, prediction in enumerate(system):
            reference = column[class_key(prediction.reference)]
            matrix[row, L + reference] = 1
            if prediction.error_kind is None:
                said = reference if prediction.correct else column.get(class_key(prediction.parsed))
                if said is not None:
                    matrix[row, 2 * L + said] = 1
                    matrix[row, said] = float(said == reference)
        matrices.append(matrix)
    return matrices, L


def macro_f1_from_sums(sums: Floats, L: int) -> Floats:
    """Return macro-F1 (R,) from sums (R, 3L); classes absent from a draw are left out of its mean."""
    hits, reference, predicted = sums[:, :L], sums[:, L : 2 * L], sums[:, 2 * L :]
    weight = reference + predicted
    f1 = np.divide(2 * hits, weight, out=np.zeros_like(hits), where=weight > 0)
    return (f1 * (weight > 0)).sum(axis=1) / np.maximum((weight > 0).sum(axis=1), 1)


def balanced_accuracy_from_sums(sums: Floats, L: int) -> Floats:
    """Return the mean recall (R,) from sums (R, 3L) over the classes present in the draw."""
    hits, reference = sums[:, :L], sums[:, L : 2 * L]
    recall = np.divide(hits, reference, out=np.zeros_like(hits), where=reference > 0)
    return recall.sum(axis=1) / np.maximum((reference > 0).sum(axis=1), 1)


MACRO_F1 = metric_of_counts("macro_f1", count_classes, macro_f1_from_sums, is_right)
BALANCED_ACCURACY = metric_of_counts("balanced_accuracy", count_classes, balanced_accuracy_from_sums, is_right)
