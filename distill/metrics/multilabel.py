"""F1 over sets of labels: micro (every label decision weighs the same) and macro (every label does).

A failed answer misses all labels of its reference. Exact sets are `accuracy`; F1 per example is `mean_score`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill.metrics.classification import macro_f1_from_sums
from distill.metrics.corpus_metric import metric_of_counts
from distill.metrics.protocol import Floats
from distill.records.json import Json
from distill.records.prediction import Prediction


def label_set(value: Json) -> frozenset[str]:
    """Return a value as a set of labels: a list's texts, or the one text it is."""
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, Sequence):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()


def count_labels(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], int]:
    """Return per system an (n, 3L) matrix of [true positive | reference | predicted] per label, and L."""
    pairs = [[(_said(p), label_set(p.reference)) for p in system] for system in systems]
    names = sorted({name for system in pairs for said, wanted in system for name in said | wanted})
    column, L = {name: index for index, name in enumerate(names)}, len(names)
    matrices: list[Floats] = []
    for system in pairs:
        matrix = np.zeros((len(system), 3 * L))
        for row, (said, wanted) in enumerate(system):
            for block, labels in enumerate((said & wanted, wanted, said)):
                matrix[row, [block * L + column[name] for name in sorted(labels)]] = 1
        matrices.append(matrix)
    return matrices, L


def micro_f1_from_sums(sums: Floats, L: int) -> Floats:
    """Return micro-F1 (R,) from sums (R, 3L); 1 where neither side names any label."""
    hits, weight = sums[:, :L].sum(axis=1), sums[:, L:].sum(axis=1)
    return np.divide(2 * hits, weight, out=np.ones_like(hits), where=weight > 0)


def _said(prediction: Prediction) -> frozenset[str]:
    return frozenset() if prediction.error_kind is not None else label_set(prediction.parsed)


def set_f1(prediction: Prediction) -> float:
    """Return F1 of one example's set; two empty sets are equal, and a failure scores 0."""
    if prediction.error_kind is not None:
        return 0.0
    said, wanted = _said(prediction), label_set(prediction.reference)
    return 2 * len(said & wanted) / (len(said) + len(wanted)) if said or wanted else 1.0


MULTILABEL_MICRO_F1 = metric_of_counts("multilabel_micro_f1", count_labels, micro_f1_from_sums, set_f1)
MULTILABEL_MACRO_F1 = metric_of_counts("multilabel_macro_f1", count_labels, macro_f1_from_sums, set_f1)
