"""McNemar's tests answer "different?", never "non-inferior?": shown, and never gated on."""

from __future__ import annotations

import math

from scipy import special


def mcnemar_exact_p(b: int, c: int) -> float:
    """Return the exact two-sided p-value of H0 `b and c are equally likely`; 1 where there is no discordance.

    Raises:
        ValueError: a count is negative.
    """
    smaller, n = _counts(b, c)
    return 1.0 if n == 0 else min(1.0, 2 * float(special.bdtr(smaller, n, 0.5)))


def mcnemar_midp(b: int, c: int) -> float:
    """Return the mid-p two-sided p-value (Fagerland et al. 2013, BMC Med Res Methodol 13:91).

    Raises:
        ValueError: a count is negative.
    """
    smaller, n = _counts(b, c)
    return 2 * float(special.bdtr(smaller, n, 0.5)) - math.comb(n, smaller) / 2**n


def mcnemar_superiority_p(b: int, c: int) -> float:
    """Return the exact one-sided p-value of H0 `b is not likelier than c`; 1 where there is no discordance.

    Raises:
        ValueError: a count is negative.
    """
    _, n = _counts(b, c)
    return 1.0 if n == 0 else float(special.bdtrc(b - 1, n, 0.5))


def _counts(b: int, c: int) -> tuple[int, int]:
    if b < 0 or c < 0:
        raise ValueError(f"counts must be >= 0, got b={b!r}, c={c!r}")
    return min(b, c), b + c
