"""Looking again at one held-out set costs confidence."""

from __future__ import annotations


def spend_alpha(alpha: float, look: int, allowed_looks: int = 1) -> float:
    """Return the error level of the `look`-th evaluation (from 1) on one held-out set.

    The configured number of looks runs at full alpha; each one past it, as the k-th, at alpha / (k (k + 1)), so
    that all further looks together cost at most alpha / (allowed_looks + 1), however many there are.

    Raises:
        ValueError: `look` or `allowed_looks` is below 1.
    """
    if look < 1 or allowed_looks < 1:
        raise ValueError(f"looks are counted from 1, got look={look!r}, allowed_looks={allowed_looks!r}")
    return alpha if look <= allowed_looks else alpha / (look * (look + 1))
