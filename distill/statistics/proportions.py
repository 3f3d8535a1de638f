"""Intervals and tests for one proportion: k of n. Clopper-Pearson decides, Wilson is for display."""

from __future__ import annotations

import math

from scipy import special

from distill.statistics.interval import Interval


def wilson_interval(k: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the two-sided Wilson score interval of a proportion (Wilson 1927, JASA 22:209).

    `k` of `n` may be fractional (an effective sample size).

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    _check(k, n)
    z = float(special.ndtri(0.5 + confidence / 2))
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(low, high)


def clopper_pearson_upper(k: float, n: float, confidence: float = 0.95) -> float:
    """Return the one-sided exact upper bound of a proportion (Clopper & Pearson 1934, Biometrika 26:404).

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    _check(k, n)
    return 1.0 if k >= n else float(special.betaincinv(k + 1, n - k, confidence))


def clopper_pearson_lower(k: float, n: float, confidence: float = 0.95) -> float:
    """Return the one-sided exact lower bound of a proportion.

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    _check(k, n)
    return 0.0 if k <= 0 else float(special.betaincinv(k, n - k + 1, 1 - confidence))


def clopper_pearson_interval(k: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the two-sided exact interval of a proportion: two one-sided bounds at half the error each.

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    one_sided = 0.5 + confidence / 2
    return Interval(clopper_pearson_lower(k, n, one_sided), clopper_pearson_upper(k, n, one_sided))


def below_p_value(k: float, n: float, p0: float) -> float:
    """Return the exact p-value of H0 `p >= p0` against `p < p0`: P(X <= k) at p0. Fractional k and n are allowed.

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    _check(k, n)
    if k >= n:
        return 1.0
    return float(special.betainc(n - k, k + 1, 1 - min(max(p0, 0.0), 1.0)))


def above_p_value(k: float, n: float, p0: float) -> float:
    """Return the exact p-value of H0 `p <= p0` against `p > p0`: P(X >= k) at p0. Fractional k and n are allowed.

    Raises:
        ValueError: not 0 <= k <= n, or n is 0.
    """
    _check(k, n)
    if k <= 0:
        return 1.0
    return float(special.betainc(k, n - k + 1, min(max(p0, 0.0), 1.0)))


def zero_failure_n(p_max: float, confidence: float = 0.95) -> int:
    """Return the smallest n at which zero failures certify a rate below `p_max`: (1 - p_max)^n <= 1 - confidence.

    Raises:
        ValueError: `p_max` or `confidence` is not strictly between 0 and 1.
    """
    if not (0 < p_max < 1 and 0 < confidence < 1):
        raise ValueError(f"p_max and confidence must be in (0, 1), got {p_max!r} and {confidence!r}")
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-p_max)) - 2)
    while n * math.log1p(-p_max) > math.log1p(-confidence) * (1 - 1e-12):
        n += 1
    return n


def bound_power(n: int, bound: float, rate: float, alpha: float = 0.05) -> float:
    """Return the exact chance that n rows show a proportion below `bound` at `alpha`, when it truly is `rate`.

    Raises:
        ValueError: n is below 1, or `bound` is not strictly between 0 and 1.
    """
    if n < 1 or not 0 < bound < 1:
        raise ValueError(f"need n >= 1 and bound in (0, 1), got n={n!r}, bound={bound!r}")
    low, high = -1, n  # the largest k that passes: below_p_value grows with k
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if below_p_value(middle, n, bound) <= alpha else (low, middle)
    if low < 0:
        return 0.0
    return 1.0 if rate <= 0 else float(special.bdtr(low, n, min(rate, 1.0)))


def needed_for_bound(
    rate: float, bound: float, alpha: float = 0.05, power: float = 0.8, limit: int = 10_000_000
) -> int | None:
    """Return about the fewest rows with that power (to 1%; it is a saw-tooth); None where no n up to `limit` has it.

    Raises:
        ValueError: as `bound_power`.
    """
    if rate >= bound:
        return None
    low, high = 0, zero_failure_n(bound, 1 - alpha)
    if rate <= 0:
        return high
    while bound_power(high, bound, rate, alpha) < power:
        low, high = high, high * 2
        if high > limit:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if bound_power(middle, bound, rate, alpha) >= power else (middle, high)
    return high


def _check(k: float, n: float) -> None:
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"need 0 <= k <= n and n > 0, got k={k!r}, n={n!r}")
