"""The paired difference of two proportions by Tango's score test (Tango 1998, Stat Med 17:891).

Notation: of n examples, b are right for the student only and c for the teacher only; D = (b - c) / n.
The non-inferiority null is D <= -margin. Right on independent examples alone: for clusters see `clusters`.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from distill.statistics.interval import Interval

Floats = NDArray[np.float64]


def tango_statistic(b: Floats, c: Floats, n: float, shift: float) -> Floats:
    """Return T(shift), the score statistic of H0 `D = shift`, element by element; 0 where its variance is 0.

    `b` and `c` are counts of any equal shape (fractional ones are allowed).
    """
    # Tango 1998, eq. 5-7: q is the constrained estimate of the probability of c
    A = 2.0 * n
    B = -b - c + (2 * n - b + c) * shift
    C = -c * shift * (1 - shift)
    q = (-B + np.sqrt(np.maximum(B * B - 4 * A * C, 0.0))) / (2 * A)
    variance = n * (2 * q + shift * (1 - shift))
    scale = np.sqrt(np.maximum(variance, 0.0))
    gap = b - c - n * shift
    return np.where(scale > 1e-12, gap / np.where(scale > 1e-12, scale, 1.0), 0.0)


def tango_score(b: float, c: float, n: float, shift: float) -> float:
    """Return T(shift) of one table.

    Raises:
        ValueError: the counts do not fit into n.
    """
    _check(b, c, n)
    return float(tango_statistic(np.asarray(b, float), np.asarray(c, float), n, shift))


def tango_interval(b: float, c: float, n: float, confidence: float = 0.95, *, z: float | None = None) -> Interval:
    """Return the two-sided interval {shift: |T(shift)| <= z} of D, each limit by Brent's method.

    `z` replaces the normal quantile (a t quantile times the root of a design effect, for clusters).

    Raises:
        ValueError: the counts do not fit into n.
    """
    _check(b, c, n)
    critical = float(special.ndtri(0.5 + confidence / 2)) if z is None else z
    estimate = (b - c) / n

    def gap(shift: float, target: float) -> float:
        return tango_score(b, c, n, shift) - target

    edge = 1e-13
    low = -1.0
    if estimate > -1 and gap(-1 + edge, critical) > 0:
        low = cast("float", optimize.brentq(gap, -1 + edge, estimate, args=(critical,), xtol=1e-13))
    high = 1.0
    if estimate < 1 and gap(1 - edge, -critical) < 0:
        high = cast("float", optimize.brentq(gap, estimate, 1 - edge, args=(-critical,), xtol=1e-13))
    return Interval(low, high)


def tango_noninferiority_p(b: float, c: float, n: float, margin: float) -> float:
    """Return the one-sided p-value of H0 `D <= -margin`: 1 - Phi(T(-margin)).

    Raises:
        ValueError: the counts do not fit into n, or the margin is not in (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin must be in (0, 1), got {margin!r}")
    return 0.5 * math.erfc(tango_score(b, c, n, -margin) / math.sqrt(2))


def _check(b: float, c: float, n: float) -> None:
    if not (n > 0 and b >= 0 and c >= 0 and b + c <= n * (1 + 1e-12)):
        raise ValueError(f"need b, c >= 0 and b + c <= n, got b={b!r}, c={c!r}, n={n!r}")
