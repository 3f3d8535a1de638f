"""Dollars in any 60 minutes: reserved before a call at its worst case, settled after it at its real price."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_S = 3600.0


class HourlyCap:
    """A sliding cap on spend and calls. Not thread-safe: one event loop owns it."""

    def __init__(self, cap_usd: float | None, clock: Callable[[], float], max_calls: int | None = None) -> None:
        """Take the cap in USD per hour (None: none), a clock in seconds and, optionally, calls per hour at most."""
        self.cap_usd, self.max_calls = cap_usd, max_calls
        self._clock = clock
        self._spent: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self._reserved = 0.0
        self._reserved_calls = 0

    @property
    def spent_usd(self) -> float:
        """Settled spend of the last hour."""
        self._forget()
        return max(self._sum, 0.0)

    def reserve(self, worst_usd: float) -> bool:
        """Set aside a call's worst case; False when that could pass the cap. Each True needs one `settle`."""
        self._forget()
        if self.cap_usd is not None and self._sum + self._reserved + worst_usd > self.cap_usd:
            return False
        if self.max_calls is not None and len(self._spent) + self._reserved_calls >= self.max_calls:
            return False
        self._reserved += worst_usd
        self._reserved_calls += 1
        return True

    def settle(self, worst_usd: float, real_usd: float) -> None:
        """Replace a reservation by what the call cost."""
        self._reserved = max(0.0, self._reserved - worst_usd)
        self._reserved_calls -= 1
        self._spent.append((self._clock(), real_usd))
        self._sum += real_usd

    def retry_after_s(self) -> float:
        """Return the seconds until the oldest spend leaves the window."""
        self._forget()
        return max(1.0, self._spent[0][0] + WINDOW_S - self._clock()) if self._spent else 1.0

    def _forget(self) -> None:
        limit = self._clock() - WINDOW_S
        while self._spent and self._spent[0][0] <= limit:
            self._sum -= self._spent.popleft()[1]
        if not self._spent:
            self._sum = 0.0
