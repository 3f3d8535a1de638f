"""Newcombe's method 10 for a paired difference of proportions: for display beside Tango's interval."""

from __future__ import annotations

import math

from distill.statistics.interval import Interval
from distill.statistics.proportions import wilson_interval


def newcombe_interval(a: int, b: int, c: int, d: int, confidence: float = 0.95) -> Interval:
    """Return the interval of p_S - p_T (Newcombe 1998, Stat Med 17:2635, method 10).

    a both right, b student only, c teacher only, d neither.

    Raises:
        ValueError: a count is negative or all are 0.
    """
    n = a + b + c + d
    student, teacher = (a + b) / n if n else 0.0, (a + c) / n if n else 0.0
    low_s, high_s = wilson_interval(a + b, n, confidence)
    low_t, high_t = wilson_interval(a + c, n, confidence)
    phi = _phi(a, b, c, d)
    below = _distance(student - low_s, high_t - teacher, phi)
    above = _distance(high_s - student, teacher - low_t, phi)
    return Interval(student - teacher - below, student - teacher + above)


def _distance(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))


def _phi(a: int, b: int, c: int, d: int) -> float:
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    n = a + b + c + d
    cross = a * d - b * c
    corrected = max(cross - n / 2, 0.0) if cross > 0 else cross
    return corrected / math.sqrt(product)
