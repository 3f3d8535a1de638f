"""Rates: buckets for the stated limits, and a limit learned from the server's refusals.

A refusal says that the last second's sends were too many; those that were not refused are what the server allows. So
the learned rate is measured, not halved, and it is paced evenly so that no window of a second holds more than it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

_HEADROOM = 0.98
_WINDOW_S = 1.02
_CATCH_UP_S = 0.1
_HOLD_S = 30.0
_MAX_HOLD_S = 600.0
_GROWTH_PER_S = 1.02
_FAST_GROWTH_PER_S = 1.25
_FEW_PER_S = 12.0
_MILD = 0.9
_CLEAN_SHARE = 0.9
_LOG_S = 1.0


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


class LearnedRate:
    """The server's real limit, unknown until it refuses. `per_s` is None while none is known."""

    def __init__(self) -> None:
        self.per_s: float | None = None
        self._sent: deque[Permit] = deque()
        self._accepted_since = 0
        self._event_at: float | None = None
        self._last_event_at: float | None = None
        self._next_at = 0.0
        self._told = False
        self._grown_at = 0.0
        self._hold_s = _HOLD_S

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next send; 0 for now."""
        if self._event_at is not None:
            self._learn(now)
        if self.per_s is None:
            return 0.0
        self._grow(now)
        self._forget(now, _WINDOW_S)
        if len(self._sent) >= max(1, math.ceil(self.per_s)):
            return max(self._sent[0].sent_at + _WINDOW_S - now, 0.001)
        return max(0.0, self._next_at - now)

    def sent(self, permit: Permit) -> None:
        """Note a send."""
        self._sent.append(permit)
        if self.per_s is None:
            self._forget(permit.sent_at, _LOG_S)
        else:
            late = max(self._next_at, permit.sent_at - _CATCH_UP_S)
            self._next_at = late + 1 / self.per_s

    def accepted(self) -> None:
        """Note that the server took a request."""
        self._accepted_since += 1

    def refused(self, permit: Permit, now: float, *, told: bool) -> None:
        """Note a 429 (`told`: with a Retry-After); the rate is measured when the gate opens."""
        permit.refused = True
        stale = self._last_event_at is not None and permit.sent_at <= self._last_event_at
        if self._event_at is None and not stale:
            self._event_at = now
        self._told = self._told or told

    def _learn(self, now: float) -> None:
        event, self._event_at = self._event_at or now, None
        recent = [permit for permit in self._sent if permit.sent_at > event - _LOG_S]
        since = None if self._last_event_at is None else max(event - self._last_event_at, 1.0)
        if _is_clean_cut(recent, told=self._told):
            measured = max(float(sum(not permit.refused for permit in recent)), 0.2)
            if self.per_s is not None and since is not None:
                measured = min(max(self._accepted_since / since, self.per_s / 2), self.per_s)
                self._hold_s = min(self._hold_s * 2, _MAX_HOLD_S) if since < 2 * self._hold_s else _HOLD_S
            else:
                self._hold_s = min(_HOLD_S, 1.5 * measured)
            self.per_s = measured * _HEADROOM
        elif self.per_s is not None:
            self.per_s = max(self.per_s * _MILD, 1.0)
        self._accepted_since, self._last_event_at, self._told = 0, event, False
        self._grown_at, self._next_at = now + self._hold_s, now
        self._sent.clear()

    def _grow(self, now: float) -> None:
        if self.per_s is not None and now > self._grown_at:
            per_s = _GROWTH_PER_S if self.per_s > _FEW_PER_S else _FAST_GROWTH_PER_S
            self.per_s *= per_s ** (now - self._grown_at)
            self._grown_at = now

    def _forget(self, now: float, window_s: float) -> None:
        while self._sent and self._sent[0].sent_at <= now - window_s:
            self._sent.popleft()


def _is_clean_cut(recent: list[Permit], *, told: bool) -> bool:
    """Tell a limit from bad luck: past a limit all is refused, and one refusal alone needs the server's Retry-After."""
    first = next((place for place, permit in enumerate(recent) if permit.refused), len(recent))
    after = recent[first:]
    refused = sum(permit.refused for permit in after)
    return refused >= (1 if told else 2) and refused >= _CLEAN_SHARE * len(after)
