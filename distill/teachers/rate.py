"""Rates that are stated: a bucket each for requests and tokens, and the permit that a send takes out of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Permit:
    """Leave to send one request, with the tokens reserved for it; `refused` when the server said 429."""

    sent_at: float
    tokens: int
    refused: bool = False


class Bucket:
    """A token bucket that refills evenly; it starts full."""

    def __init__(self, per_minute: float, burst_s: float, now: float) -> None:
        self.rate = per_minute / 60
        self.capacity = max(1.0, self.rate * burst_s)
        self.level = self.capacity
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` (never more than the capacity) is there; 0 when it is."""
        self.level = min(self.capacity, self.level + (now - self._at) * self.rate)
        self._at = now
        return max(0.0, (min(amount, self.capacity) - self.level) / self.rate)

    def take(self, amount: float) -> None:
        """Take `amount`; the level may go below zero for one that is larger than the bucket."""
        self.level -= amount

    def refund(self, amount: float) -> None:
        """Give back (or, below 0, take) the difference to what was really used."""
        self.level = min(self.capacity, self.level + amount)

    def tighten(self, per_minute: float, remaining: float | None) -> None:
        """Follow what the provider says of itself, where that is less than what is stated."""
        if per_minute / 60 < self.rate:
            self.rate = per_minute / 60
            self.capacity = max(1.0, min(self.capacity, self.rate * 10))
        if remaining is not None:
            self.level = min(self.level, remaining)
