"""The one gate all workers pass: stated limits, the learned limit, Retry-After, the window in flight, the breaker."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping

from distill.errors import TeacherError
from distill.teachers.config import LimitsConfig
from distill.teachers.learned_rate import LearnedRate
from distill.teachers.rate import Bucket, Permit

_START_WINDOW = 24
_AFTER_BREAK_WINDOW = 8
_WINDOW_GROWTH = 0.5
_BURST_S = 10.0
_BREAKER_AFTER = 10
_BREAKER_OPENINGS = 6
_BREAKER_FIRST_S = 1.0
_BREAKER_MAX_S = 30.0
_BLIND_GATE_S = 0.1
_BLIND_GATE_MAX_S = 30.0
_RESET = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Throttle:
    """Decides when the next request may go. One instance per purchase and event loop."""

    def __init__(
        self,
        limits: LimitsConfig,
        concurrency: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        now = clock()
        self._clock, self._rng = clock, rng or random.Random(0)  # noqa: S311  (jitter, not secrecy)
        self._requests = Bucket(limits.requests_per_minute, _BURST_S, now)
        self._tokens = Bucket(limits.tokens_per_minute, _BURST_S, now)
        self._learned = LearnedRate()
        self._concurrency = concurrency
        self._window = float(min(_START_WINDOW, concurrency))
        self._in_flight = 0
        self._gate_at = 0.0
        self._blind_refusals = 0
        self._failures = 0
        self._openings = 0
        self._half_open = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self.refused = 0

    @property
    def in_flight(self) -> int:
        """Requests sent and not settled."""
        return self._in_flight

    async def admit(self, tokens: int) -> Permit:
        """Wait for leave to send a request of about `tokens` tokens (input and output); first come, first served."""
        async with self._turn:
            while True:
                now = self._clock()
                wait_s = self._wait_s(tokens, now)
                if wait_s == 0.0:
                    return self._take(tokens, now)
                self._changed.clear()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()
                except TimeoutError:
                    self._learned.woke_late(self._clock() - now - wait_s, now)

    def succeeded(self, permit: Permit, tokens: int, headers: Mapping[str, str]) -> None:
        """Settle a permit whose request was answered with `tokens` really used."""
        self._release(permit, tokens)
        self._learned.accepted(permit, self._clock())
        self._failures = self._openings = self._blind_refusals = 0
        self._half_open = False
        self._window = min(self._window + _WINDOW_GROWTH, float(self._concurrency))
        if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
            self._follow(headers)

    def refuse(self, permit: Permit, retry_after_s: float | None) -> None:
        """Settle a permit whose request met a 429: nobody sends before the server's wish is over."""
        now = self._clock()
        self._release(permit, 0)
        self.refused += 1
        wish_s = self._blind_gate_s(now) if retry_after_s is None else retry_after_s
        self._gate_at = max(self._gate_at, now + wish_s + self._rng.uniform(0.005, 0.02))
        self._learned.refused(permit, now)

    def failed(self, permit: Permit, error: TeacherError) -> None:
        """Settle a permit whose request met a server fault or no reply; many in a row stop everyone for a while.

        Raises:
            TeacherError: the breaker opened time after time and not one call got through.
        """
        now = self._clock()
        self._release(permit, 0)
        self._window = max(1.0, self._window * 0.9)
        self._failures += 1
        if self._gate_at > now or (self._failures < _BREAKER_AFTER and not self._half_open):
            return
        self._openings += 1
        if self._openings >= _BREAKER_OPENINGS:
            raise TeacherError(f"the teacher has not answered for {self._failures} calls in a row, the last with: "
                               f"{error}", kind=error.kind, status=error.status) from error  # fmt: skip
        pause = min(_BREAKER_FIRST_S * 2 ** (self._openings - 1), _BREAKER_MAX_S)
        self._gate_at = now + max(pause * self._rng.uniform(1.0, 1.25), error.retry_after_s or 0.0)
        self._half_open = True
        self._window = min(self._window, float(_AFTER_BREAK_WINDOW))

    def drop(self, permit: Permit) -> None:
        """Settle a permit whose request ended in a way that says nothing of the server's health."""
        self._release(permit, 0)

    def _wait_s(self, tokens: int, now: float) -> float:
        if now < self._gate_at:
            return self._gate_at - now
        if self._in_flight >= (1 if self._half_open else min(int(self._window), self._learned.most_in_flight())):
            return 60.0  # woken by the next settled permit
        wait = max(self._requests.wait_s(1, now), self._tokens.wait_s(tokens, now))
        return max(wait, self._learned.wait_s(now))

    def _blind_gate_s(self, now: float) -> float:
        """Return how long all wait after a 429 that names no time: doubling, one step per closed gate."""
        if self._gate_at > now:
            return 0.0
        self._blind_refusals += 1
        wait = min(_BLIND_GATE_S * 2.0 ** (self._blind_refusals - 1), _BLIND_GATE_MAX_S)
        return wait * self._rng.uniform(1.0, 1.25)

    def _take(self, tokens: int, now: float) -> Permit:
        permit = Permit(now, tokens)
        self._requests.take(1)
        self._tokens.take(tokens)
        self._learned.sent(permit)
        self._in_flight += 1
        return permit

    def _release(self, permit: Permit, used_tokens: int) -> None:
        self._in_flight -= 1
        self._tokens.refund(permit.tokens - used_tokens)
        self._changed.set()

    def _follow(self, headers: Mapping[str, str]) -> None:
        for bucket, unit in ((self._requests, "requests"), (self._tokens, "tokens")):
            limit = _number(headers.get(f"x-ratelimit-limit-{unit}"))
            remaining = _number(headers.get(f"x-ratelimit-remaining-{unit}"))
            if limit is not None and limit > 0:
                bucket.tighten(limit, None if remaining is None else max(0.0, remaining - self._in_flight))
            reset_s = reset_seconds(headers.get(f"x-ratelimit-reset-{unit}"))
            if remaining == 0 and reset_s is not None and bucket.rate > 0:
                self._gate_at = max(self._gate_at, self._clock() + min(reset_s, 1 / bucket.rate))


def reset_seconds(text: str | None) -> float | None:
    """Read a provider's duration (`1s`, `6m0s`, `120ms`), in seconds; None when it is none."""
    if not text:
        return None
    parts = _RESET.findall(text)
    if not parts:
        return _number(text)
    return sum(float(value) * _UNIT_S[unit] for value, unit in parts)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e15 else None
