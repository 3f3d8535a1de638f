"""Several samples of one prompt: pass@k."""

from __future__ import annotations

import math


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the chance that k of n samples, c of them right, hold a right one (Chen et al. 2021, arXiv:2107.03374).

    Raises:
        ValueError: not 0 <= c <= n or not 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"need 0 <= c <= n and 1 <= k <= n, got n={n!r}, c={c!r}, k={k!r}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)
