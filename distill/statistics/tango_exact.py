"""The exact unconditional version of Tango's non-inferiority test, for n <= 1,000.

All tables (b, c) of size n are ordered by Tango's statistic; the p-value is the largest probability, over
the unknown discordance psi = (b + c) / n, of a table at least as favourable as the observed one at D = -margin.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from distill.statistics.tango import tango_score, tango_statistic

MAX_EXACT_N = 1000
_GRID = 96
_TIE = 1e-9  # two tables whose statistics differ by less are equally favourable

Floats = NDArray[np.float64]


def exact_noninferiority_p(b: int, c: int, n: int, margin: float) -> float:
    """Return the exact p-value of H0 `D <= -margin`: the supremum over psi, by enumeration.

    Raises:
        ValueError: n is over 1,000, the counts do not fit into it, or the margin is not in (0, 1).
    """
    _check(n, margin)
    return _tail(n, margin, tango_score(b, c, n, -margin))


def exact_critical_value(n: int, margin: float, alpha: float) -> float:
    """Return the smallest statistic T(-margin) that rejects at `alpha` exactly; inf where none does.

    Cached; the first call at n = 1,000 takes about a second.

    Raises:
        ValueError: n is over 1,000 or the margin is not in (0, 1).
    """
    _check(n, margin)
    return _critical(n, margin, alpha)


def probability_of_passing(n: int, margin: float, critical: float, psi: float, difference: float) -> float:
    """Return P(T(-margin) >= critical) when the true discordance is `psi` and the true D is `difference`.

    Raises:
        ValueError: |difference| > psi, psi is over 1, or the margin is not in (0, 1).
    """
    if not (abs(difference) <= psi + 1e-15 and psi <= 1):
        raise ValueError(f"need |difference| <= psi <= 1, got difference={difference!r}, psi={psi!r}")
    if not 0 < margin < 1:
        raise ValueError(f"margin must be in (0, 1), got {margin!r}")
    first = _first_passing_b(n, margin, critical)
    return float(_tail_at(n, first, np.array([(psi + difference) / 2]), np.array([(psi - difference) / 2]))[0])


@lru_cache(maxsize=256)
def _critical(n: int, margin: float, alpha: float) -> float:
    low, high = 0.0, 12.0
    if _tail(n, margin, high) > alpha:
        return float("inf")
    while high - low > 1e-6:
        middle = (low + high) / 2
        if _tail(n, margin, middle) <= alpha:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=4096)
def _tail(n: int, margin: float, statistic: float) -> float:
    first = _first_passing_b(n, margin, statistic)
    psi = margin + (1 - margin) * np.linspace(0.0, 1.0, _GRID) ** 2  # dense near psi = margin, where the maximum sits
    best, value = _maximum(n, margin, first, psi)
    step = max(psi[min(best + 1, _GRID - 1)] - psi[max(best - 1, 0)], 1e-6)
    fine = np.clip(np.linspace(psi[best] - step, psi[best] + step, 33), margin, 1.0)
    return min(1.0, max(value, _maximum(n, margin, first, fine)[1]))


def _maximum(n: int, margin: float, first: Floats, psi: Floats) -> tuple[int, float]:
    tails = _tail_at(n, first, (psi - margin) / 2, (psi + margin) / 2)
    best = int(np.argmax(tails))
    return best, float(tails[best])


def _first_passing_b(n: int, margin: float, statistic: float) -> Floats:
    """Return, for every c = 0..n, the smallest b whose table is at least as favourable; n + 1 where none is.

    T grows with b at a fixed c, so each is found by halving, all c at once.
    """
    c = np.arange(n + 1, dtype=np.float64)
    low, high = np.zeros(n + 1), n - c  # the answer lies in [low, high], or nowhere
    none = tango_statistic(high, c, n, -margin) < statistic - _TIE
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        passes = tango_statistic(middle, c, n, -margin) >= statistic - _TIE
        low, high = np.where(passes, low, np.minimum(middle + 1, high)), np.where(passes, middle, high)
    return np.where(none, n + 1.0, high)


def _tail_at(n: int, first: Floats, p_b: Floats, p_c: Floats) -> Floats:
    """Return P(b >= first[c]) under the trinomial, for K pairs (p_b, p_c): shape K."""
    c = np.arange(n + 1, dtype=np.float64)
    log_choose = special.gammaln(n + 1) - special.gammaln(c + 1) - special.gammaln(n - c + 1)
    p_c, p_b = p_c[:, None], p_b[:, None]
    pmf = np.exp(log_choose + special.xlogy(c, p_c) + special.xlog1py(n - c, -p_c))
    rest = n - c
    conditional = np.clip(p_b / np.maximum(1 - p_c, 1e-300), 0.0, 1.0)
    possible = first <= rest
    live = (pmf > 1e-18) & possible & (first > 0)
    tail = np.where(possible & (first <= 0), 1.0, 0.0) * np.ones_like(pmf)
    rows, columns = np.nonzero(live)
    tail[rows, columns] = special.betainc(first[columns], rest[columns] - first[columns] + 1, conditional[rows, 0])
    return (pmf * tail).sum(axis=1)


def _check(n: int, margin: float) -> None:
    if not 1 <= n <= MAX_EXACT_N:
        raise ValueError(f"the exact test is offered for n in 1..{MAX_EXACT_N}, got {n!r}")
    if not 0 < margin < 1:
        raise ValueError(f"margin must be in (0, 1), got {margin!r}")
