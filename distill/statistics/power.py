"""How many held-out rows a margin needs, and the true power of the test at a given n."""

from __future__ import annotations

import math

from scipy import special

from distill.statistics.tango_exact import MAX_EXACT_N, exact_critical_value, probability_of_passing


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
