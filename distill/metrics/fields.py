"""Fields of a JSON answer: precision, recall and F1 over (path, value) leaves, and the exact object.

Counts are summed over all examples (micro), so an object with ten fields weighs ten times one with a single field. A
failed answer misses every field, and for precision counts as that many wrong claims: silence never looks precise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from distill.metrics.corpus_metric import CorpusMetric
from distill.metrics.item_metric import ItemMetric
from distill.metrics.protocol import Combine, Floats
from distill.records.json import Json, list_leaves
from distill.records.prediction import Prediction


class FieldCounts(NamedTuple):
    """Leaves that are right, claimed and wanted; a failed answer claims as many as were wanted, all wrong."""

    right: int
    claims: int
    wanted: int


def leaves_of(value: Json) -> Counter[tuple[str, str]]:
    """Count (path, canonical leaf) pairs; no answer has none."""
    return Counter() if value is None else Counter(list_leaves(value))


def count_fields(prediction: Prediction) -> FieldCounts:
    """Compare the leaves of one answer with its reference."""
    wanted = leaves_of(prediction.reference)
    if prediction.error_kind is not None:
        return FieldCounts(0, max(1, wanted.total()), wanted.total())
    said = leaves_of(prediction.parsed)
    return FieldCounts((said & wanted).total(), said.total(), wanted.total())


def count_by_field(predictions: Sequence[Prediction]) -> dict[str, FieldCounts]:
    """Return the counts per field, sorted by name: which fields go wrong.

    A field is named by its path, with `[]` for any place in a list (and for a key of digits alone): `slots.artist[]`.
    """
    totals: dict[str, list[int]] = {}
    for prediction in predictions:
        wanted = leaves_of(prediction.reference)
        failed = prediction.error_kind is not None
        said: Counter[tuple[str, str]] = Counter() if failed else leaves_of(prediction.parsed)
        for column, leaves in enumerate((said & wanted, wanted if failed else said, wanted)):
            for (path, _), count in leaves.items():
                totals.setdefault(_name_field(path), [0, 0, 0])[column] += count
    return {name: FieldCounts(*totals[name]) for name in sorted(totals)}


def _name_field(path: str) -> str:
    keys = ["[]" if key.isdigit() else f".{key}" for key in path.split("/")[1:]]
    return "".join(keys).removeprefix(".")


def field_precision_from_sums(sums: Floats) -> Floats:
    """Return the share of claimed fields that are right (R,) from sums (R, 3)."""
    return _ratio(sums[:, 0], sums[:, 1])


def field_recall_from_sums(sums: Floats) -> Floats:
    """Return the share of wanted fields that were found (R,) from sums (R, 3)."""
    return _ratio(sums[:, 0], sums[:, 2])


def field_f1_from_sums(sums: Floats) -> Floats:
    """Return the harmonic mean of the two, 2 right / (claims + wanted) (R,), from sums (R, 3)."""
    return _ratio(2 * sums[:, 0], sums[:, 1] + sums[:, 2])


def same_object(prediction: Prediction) -> float:
    """Return 1 where every field of the answer is right and none is missing or too many."""
    failed = prediction.error_kind is not None or prediction.reference is None
    return 0.0 if failed else float(leaves_of(prediction.parsed) == leaves_of(prediction.reference))


def _ratio(over: Floats, under: Floats) -> Floats:
    return np.divide(over, under, out=np.zeros_like(over), where=under > 0)


def _make(name: str, from_sums: Callable[[Floats], Floats]) -> CorpusMetric:
    def vectorise(systems: Sequence[Sequence[Prediction]]) -> tuple[list[Floats], Combine]:
        return [np.array([count_fields(p) for p in s], np.float64).reshape(len(s), 3) for s in systems], from_sums

    def of_one(prediction: Prediction) -> float:
        return float(from_sums(np.array([count_fields(prediction)], np.float64))[0])

    return CorpusMetric(name, vectorise, per_item=of_one)


FIELD_PRECISION = _make("field_precision", field_precision_from_sums)
FIELD_RECALL = _make("field_recall", field_recall_from_sums)
FIELD_F1 = _make("field_f1", field_f1_from_sums)
EXACT_OBJECT = ItemMetric("exact_object", same_object)
