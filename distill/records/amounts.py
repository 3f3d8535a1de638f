"""Amounts that may be unknown: a price that nobody knows is never taken for nothing."""

from __future__ import annotations

from collections.abc import Iterable


def add_usd(amounts: Iterable[float | None]) -> float | None:
    """Add dollars up in their order; one unknown makes the sum unknown."""
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
