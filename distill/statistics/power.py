"""How many held-out rows a margin needs, and the true power of the test at a given n."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import special

from distill.statistics.tango_exact import MAX_EXACT_N, exact_critical_value, probability_of_passing


class NormalPlan(NamedTuple):
    """Power by the normal approximation: P(pass) at n rows is Phi(signal * sqrt(n) - hurdle)."""

    signal: float
    hurdle: float

    def power(self, n: float) -> float:
        """Return the chance to pass at n rows."""
        return float(special.ndtr(self.signal * math.sqrt(max(n, 0.0)) - self.hurdle))

    def needed(self, power: float = 0.8, limit: int = 10_000_000) -> int | None:
        """Return the rows at which the chance is `power`; None where no n up to `limit` has it."""
        if self.signal <= 0:
            return None
        rows = ((self.hurdle + float(special.ndtri(power))) / self.signal) ** 2
        return max(2, math.ceil(rows)) if rows <= limit else None


def plan_mean(distance: float, se: float, n: int, alpha: float = 0.05) -> NormalPlan | None:
    """Plan a one-sided test of a mean that truly lies `distance` on the right side of its bound (wrong side: < 0).

    `se` is its standard error at `n` rows (over clusters: theirs). Without spread there is nothing to plan: None.
    Chow, Shao & Wang, Sample Size Calculations in Clinical Research (2008), section 3.1.3.
    """
    if not (se > 0 and n > 0 and math.isfinite(se)):
        return None
    return NormalPlan(distance / (se * math.sqrt(n)), float(special.ndtri(1 - alpha)))


def plan_ratio(
    own: tuple[float, float, float], other: tuple[float, float, float], limit: float, n: int, alpha: float = 0.05
) -> NormalPlan | None:
    """Plan the test "upper bound of own / lower bound of other <= limit"; both are (value, low, high) at 1 - `alpha`.

    It passes where own + h_own <= limit (other - h_other) with half-widths h = z s, so own - limit * other, which is
    about normal, must fall short of 0 by H = h_own + limit h_other. Half-widths and spreads shrink as 1 / sqrt(n). The
    two are taken as independent. Without spread there is nothing to plan: None.
    """
    z = float(special.ndtri(1 - alpha / 2))
    h_own, h_other = own[2] - own[0], other[0] - other[1]
    spread = math.hypot(h_own, limit * h_other) / z
    if not (spread > 0 and n > 0 and math.isfinite(spread)):
        return None
    return NormalPlan((limit * other[0] - own[0]) / (spread * math.sqrt(n)), (h_own + limit * h_other) / spread)


def needed_n(margin: float, psi: float, difference: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the rows a paired non-inferiority test needs, by the normal formula (golden/README, 5).

    `psi` is the share of rows on which exactly one system is right, `difference` the assumed true p_S - p_T.
    The formula's .80 is .76-.80 in truth: print `tango_power` beside it.

    Raises:
        ValueError: the assumed difference is not above -margin (no n would do), or a number is out of range.
    """
    if not (0 < margin < 1 and 0 <= psi <= 1 and 0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"out of range: margin={margin!r}, psi={psi!r}, alpha={alpha!r}, power={power!r}")
    if difference <= -margin:
        raise ValueError(f"no n shows non-inferiority when the true difference {difference!r} is at or below -margin")
    z_alpha, z_beta = float(special.ndtri(1 - alpha)), float(special.ndtri(power))
    under_null = z_alpha * math.sqrt(max(psi, margin) - margin**2)
    under_truth = z_beta * math.sqrt(max(psi - difference**2, 0.0))
    return max(1, math.ceil(((under_null + under_truth) / (margin + difference)) ** 2))


def tango_power(n: int, margin: float, psi: float, difference: float = 0.0, alpha: float = 0.05) -> float:
    """Return the exact power of the score test at n, by summing the trinomial.

    Raises:
        ValueError: |difference| > psi, or a number is out of range.
    """
    return probability_of_passing(n, margin, float(special.ndtri(1 - alpha)), psi, difference)


def gate_power(
    n: int, margin: float, psi: float, difference: float = 0.0, alpha: float = 0.05, *, exact: bool = True
) -> float:
    """Return the power of the test the gate runs: the exact test up to n = 1,000 (where `exact`), else the score test.

    Raises:
        ValueError: |difference| > psi, or a number is out of range.
    """
    if n > MAX_EXACT_N or not exact:
        return _large_n_power(n, margin, psi, difference, alpha)
    critical = exact_critical_value(n, margin, alpha)
    return 0.0 if math.isinf(critical) else probability_of_passing(n, margin, critical, psi, difference)


def _large_n_power(n: int, margin: float, psi: float, difference: float, alpha: float) -> float:
    """Return exact power up to n = 20,000; above it the normal approximation, which is right to .01 there."""
    if n <= 20 * MAX_EXACT_N:
        return tango_power(n, margin, psi, difference, alpha)
    spread = math.sqrt(max(psi - difference**2, 1e-12))
    critical = float(special.ndtri(1 - alpha)) * math.sqrt(max(psi, margin) - margin**2)
    return float(special.ndtr(((margin + difference) * math.sqrt(n) - critical) / spread))
