"""Servers with a rate limit, in virtual time, and a crowd of workers that buys rows from one through a Throttle."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from distill.teachers.config import LimitsConfig
from distill.teachers.throttle import Throttle

NO_STATED_LIMIT = LimitsConfig(requests_per_minute=10**9, tokens_per_minute=10**9)


class Limit(Protocol):
    """A way to limit a rate."""

    def wait_s(self, at: float) -> float:
        """Take a request that arrives at `at` and return 0, or return after how long one would be taken."""
        ...


@dataclass
class TokenBucket:
    """Refills at `rate` a second up to `depth`; starts full."""

    rate: float
    depth: float
    _level: float = math.inf
    _at: float = 0.0

    def wait_s(self, at: float) -> float:
        self._level = min(self.depth, self._level + (at - self._at) * self.rate)
        self._at = at
        if self._level < 1:
            return (1 - self._level) / self.rate
        self._level -= 1
        return 0.0


@dataclass
class FixedWindow:
    """Takes `rate * window_s` in each window of `window_s`; the first one began at `-phase_s`."""

    rate: float
    window_s: float = 1.0
    phase_s: float = 0.0
    _window: int = -1
    _taken: int = 0

    def wait_s(self, at: float) -> float:
        window = int((at + self.phase_s) / self.window_s)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self.rate * self.window_s:
            return (window + 1) * self.window_s - self.phase_s - at
        self._taken += 1
        return 0.0


@dataclass
class SlidingWindow:
    """Takes `rate * window_s` in any stretch of `window_s`."""

    rate: float
    window_s: float = 1.0
    _taken: deque[float] = field(default_factory=deque[float])

    def wait_s(self, at: float) -> float:
        while self._taken and self._taken[0] <= at - self.window_s:
            self._taken.popleft()
        if len(self._taken) >= self.rate * self.window_s:
            return self._taken[0] + self.window_s - at
        self._taken.append(at)
        return 0.0


@dataclass
class Weather:
    """What the way to the server and the server's day are like.

    `latency_s` is the median of an answer, its spread `latency_sigma` (log-normal); `jitter_s` bounds the time a
    request needs to arrive; `stalls` are (start, length) at which the server stands still; `retry_after_s` is what a
    429 says: a number, None, or "exact".
    """

    latency_s: float = 0.05
    latency_sigma: float = 0.2
    jitter_s: float = 0.01
    stalls: tuple[tuple[float, float], ...] = ()
    retry_after_s: float | str | None = 2.0

    def after_stalls(self, at: float) -> float:
        """Return when what is due at `at` really happens."""
        return next((start + length for start, length in self.stalls if start <= at < start + length), at)


@dataclass
class Outcome:
    """What a purchase came to. `last_s` is when the last request left that was taken."""

    bought: int = 0
    refused: int = 0
    last_s: float = 0.0
    times: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])


async def buy_rows(rows: int, limit: Limit, weather: Weather, seed: int, concurrency: int = 64) -> Outcome:
    """Buy `rows` rows through a Throttle; a refused row is asked again, as the buyer does it."""
    loop, rng = asyncio.get_running_loop(), random.Random(seed)
    throttle = Throttle(NO_STATED_LIMIT, concurrency, clock=loop.time, rng=random.Random(seed))
    outcome, todo = Outcome(), iter(range(rows))

    def arrive(at: float, reply: asyncio.Future[float]) -> None:
        """Decide at the moment of arrival, also when this process stands still then."""
        wait = limit.wait_s(at)
        latency = 0.005 if wait else weather.latency_s * math.exp(rng.gauss(0, weather.latency_sigma))
        loop.call_at(weather.after_stalls(at + latency) + rng.uniform(0, weather.jitter_s), _resolve, reply, wait)

    async def send() -> float:
        reply: asyncio.Future[float] = loop.create_future()
        at = weather.after_stalls(loop.time() + rng.uniform(0, weather.jitter_s))
        loop.call_at(at, arrive, at, reply)
        return await reply

    async def buy() -> None:
        while True:
            permit = await throttle.admit(10)
            left_at = loop.time()
            wait = await send()
            outcome.times.append((loop.time(), "refused" if wait else "bought"))
            if not wait:
                throttle.succeeded(permit, 10, {})
                outcome.last_s = max(outcome.last_s, left_at)
                return
            told = wait if weather.retry_after_s == "exact" else weather.retry_after_s
            outcome.refused += 1
            throttle.refuse(permit, told if isinstance(told, float) else None)

    async def work() -> None:
        for _ in todo:
            await buy()
            outcome.bought += 1

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return outcome


def _resolve(reply: asyncio.Future[float], wait: float) -> None:
    if not reply.done():
        reply.set_result(wait)
