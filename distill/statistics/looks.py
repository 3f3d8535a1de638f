"""Looking again at one held-out set costs confidence: what each look may use, and what all of them cost together."""

from __future__ import annotations

from typing import Literal

Spending = Literal["allow", "spend"]
"""`allow`: the allowed looks at full alpha, each one past them at alpha / (k (k + 1)); `spend`: every look so."""


def spend_alpha(alpha: float, look: int, allowed_looks: int = 1, spending: Spending = "allow") -> float:
    """Return the error level of the `look`-th evaluation (from 1) on one held-out set.

    Raises:
        ValueError: `look` or `allowed_looks` is below 1.
    """
    if look < 1 or allowed_looks < 1:
        raise ValueError(f"looks are counted from 1, got look={look!r}, allowed_looks={allowed_looks!r}")
    if spending == "allow" and look <= allowed_looks:
        return alpha
    return alpha / (look * (look + 1))


def bound_over_looks(
    alpha: float, allowed_looks: int = 1, spending: Spending = "allow", looks: int | None = None
) -> float:
    """Return what the chance that any look passes what it should not is at most: over `looks`, None: however many.

    The levels are added up (Boole). 1 / (k (k + 1)) = 1/k - 1/(k + 1) telescopes: all looks past the m-th add up to
    1 / (m + 1), so `allow` costs alpha (m + 1 / (m + 1)) in all, 1.5 alpha where one is allowed; `spend` costs alpha.

    Raises:
        ValueError: `looks` or `allowed_looks` is below 1.
    """
    if allowed_looks < 1 or (looks is not None and looks < 1):
        raise ValueError(f"looks are counted from 1, got looks={looks!r}, allowed_looks={allowed_looks!r}")
    full = allowed_looks if spending == "allow" else 0
    if looks is not None and looks <= full:
        return min(1.0, alpha * looks)
    last = 0.0 if looks is None else 1 / (looks + 1)
    return min(1.0, alpha * (full + 1 / (full + 1) - last))
