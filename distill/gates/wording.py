"""Numbers in words for reasons: percentages for fractions, units elsewhere."""

from __future__ import annotations


def say(value: float | None, unit: str) -> str:
    """Write a value with its unit."""
    if value is None:
        return "unknown"
    if unit == "fraction":
        return f"{100 * value:.2f}%"
    if unit == "usd":
        return f"${value:.4g}"
    return f"{value:.4g} {unit}".strip()


def say_difference(value: float, unit: str) -> str:
    """Write a difference with its sign; of fractions in percentage points."""
    return f"{100 * value:+.2f} points" if unit == "fraction" else f"{value:+.4g} {unit}".strip()


def say_rows(needed_n: int | None, n: int) -> str:
    """Say how many rows would decide."""
    if needed_n is None or needed_n <= n:
        return ""
    return f"about {needed_n:,} rows would decide it if what was seen holds; there are {n:,}"
