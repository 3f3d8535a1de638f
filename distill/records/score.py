"""A number with its n and interval: what a metric says about one system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """`value` with its two-sided interval; all None when nothing could be measured (never 0, never NaN).

    `unit` is fraction, ms, usd, points or tokens; `n` counts the examples it stands on (repeats are averaged
    first); `note` says what a reader must know (e.g. what a perfect system would show).
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    note: str = ""
