"""A number's lower and upper bound: what every interval function of this package returns."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """Bounds of a number, `low <= high`; the confidence is the caller's business."""

    low: float
    high: float
