"""Statements about a rate that stay true however often one looks (beta-binomial mixture, Jeffreys prior)."""

from __future__ import annotations

import math
from typing import cast

from scipy import optimize, special

from distill.statistics.interval import Interval


def confidence_sequence(k: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the interval after n labels with k events; valid at all n at once with probability 1 - alpha.

    It is {p: B(.5+k, .5+n-k) / B(.5,.5) / (p^k (1-p)^(n-k)) < 1/alpha} (Robbins 1970, Ann Math Stat 41:1397).

    Raises:
        ValueError: not 0 <= k <= n.
    """
    _check(k, n)
    if n == 0:
        return Interval(0.0, 1.0)
    mixture = float(special.betaln(k + 0.5, n - k + 0.5) - special.betaln(0.5, 0.5))

    def excess(p: float) -> float:
        return mixture - float(special.xlogy(k, p) + special.xlog1py(n - k, -p)) + math.log(alpha)

    rate = k / n
    low = 0.0 if k == 0 else cast("float", optimize.brentq(excess, 1e-300, rate, xtol=1e-15, maxiter=500))
    high = 1.0 if k == n else cast("float", optimize.brentq(excess, rate, 1 - 1e-16, xtol=1e-15, maxiter=500))
    return Interval(low, high)


def log_e_value(k: int, n: int, p0: float) -> float:
    """Return the natural log of the evidence against H0 `p <= p0` after k events in n labels.

    The alternative is the Jeffreys prior cut to (p0, 1). Reject at alpha when it reaches -ln(alpha), at any time.

    Raises:
        ValueError: not 0 <= k <= n, or p0 is not in (0, 1).
    """
    _check(k, n)
    if not 0 < p0 < 1:
        raise ValueError(f"p0 must be in (0, 1), got {p0!r}")
    mixture = _log_upper_beta(k + 0.5, n - k + 0.5, p0) - _log_upper_beta(0.5, 0.5, p0)
    return mixture - float(special.xlogy(k, p0) + special.xlog1py(n - k, -p0))


def _log_upper_beta(a: float, b: float, x: float) -> float:
    """Return ln of the integral of t^(a-1) (1-t)^(b-1) over (x, 1)."""
    share = float(special.betainc(b, a, 1 - x))
    if share > 1e-280:
        return float(special.betaln(a, b)) + math.log(share)
    # leading term of the continued fraction of I_{1-x}(b, a), where the share itself underflows
    return b * math.log1p(-x) + a * math.log(x) - math.log(b) - math.log1p(-(a + b) * (1 - x) / (b + 1))


def _check(k: int, n: int) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"need 0 <= k <= n, got k={k!r}, n={n!r}")
