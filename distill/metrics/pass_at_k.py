"""pass@k: the chance that k of an example's samples hold a right one; needs `repeats` or `samples` >= k."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from distill.metrics.accuracy import is_right
from distill.metrics.item_metric import ItemMetric
from distill.statistics.sampling import pass_at_k


def make_pass_at(k: int) -> ItemMetric:
    """Return the metric `pass_at_<k>`; an example with fewer than k samples is not measured."""

    def over_samples(right: Sequence[float]) -> float | None:
        return pass_at_k(len(right), int(sum(right)), k) if len(right) >= k else None

    combine: Callable[[Sequence[float]], float | None] = over_samples
    return ItemMetric(f"pass_at_{k}", is_right, combine=combine)


PASS_AT_1, PASS_AT_2, PASS_AT_5, PASS_AT_10 = (make_pass_at(k) for k in (1, 2, 5, 10))
