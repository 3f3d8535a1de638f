"""A limit that nobody stated, learned from the server's refusals.

The first refusal measures: what was taken of the last second's sends is what the server allows in a second. Later ones
correct that, by how long the pace had held. Between them requests go out evenly, so that no second holds too many.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from distill.teachers.pulse import Pulse
from distill.teachers.rate import Permit

_CATCH_UP_S = 0.1
_SLACK_SENDS, _MOST_SLACK_S = 2.0, 1.0
"""Sends left out when a short gate opens, so that the server's allowance is not at its very edge."""
_MOST_ANSWER_S = 0.5
_FEW = 12
"""Fewer taken in a burst say little of the rate (a shallow bucket looks like a slow server): probe soon."""
_HOLD_GATES = 30.0
"""A pace is kept for this many times what trying a higher one costs: the gate that a refusal closes."""
_PROBE_HOLD_S, _HOLD_S, _MAX_HOLD_S = 0.5, 3.0, 600.0
_GROWTH_PER_S, _PROBE_PER_S = 1.03, 2.0
_LEAST_KEPT = 0.8
_LEAST_KEPT_AT_ONCE, _MOST_KEPT_AT_ONCE = 0.5, 0.95
_MANY_EVENTS, _FEW_TAKEN = 5, 4.0
_SAME_TIME_S = 0.03
_ENOUGH = 4
_LIMIT_SHARE, _LIMIT_SHARE_OF_BURST = 0.6, 0.15


@dataclass(slots=True)
class _Event:
    """The first refusal since the gate was last open: when it was sent, when it came back."""

    sent_at: float
    at: float


class LearnedRate:
    """The server's real limit in requests per second; `per_s` is None while none is known."""

    def __init__(self) -> None:
        self.per_s: float | None = None
        self._pulse = Pulse()
        self._sent: deque[Permit] = deque()
        self._event: _Event | None = None
        self._judged_to = -math.inf
        self._opened_at = self._gate_s = self._answer_s = self._next_at = 0.0
        self._taken = self._taken_in_all = self._events = 0
        self._burst_share = _LIMIT_SHARE_OF_BURST
        self._measured = 0.0
        self._growth: Literal["probe", "hold"] = "hold"
        self._hold_s = self._grown_at = 0.0

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next send; 0 for now."""
        if self._event is not None:
            self._learn(self._event, now)
        if self.per_s is None:
            return 0.0
        self._grow(now)
        self._forget(now)
        most = max(1, round(self.per_s))
        full_s = self._sent[-most].sent_at + self._pulse.second_s(now) - now if len(self._sent) >= most else 0.0
        return max(0.0, self._next_at - now, full_s)

    def most_in_flight(self) -> float:
        """Return how many may be under way: when replies stop coming, sends must stop as well.

        What piles up at a server that stands still arrives at once when it goes on, and meets a limit as one burst.
        """
        if self.per_s is None or self._pulse.latency_s is None:
            return math.inf
        usual = self.per_s * self._pulse.latency_s
        return math.ceil(usual + 2.5 * math.sqrt(usual)) + 1

    def sent(self, permit: Permit) -> None:
        """Note a send; it counts as taken until the server refuses it."""
        now = permit.sent_at
        self._sent.append(permit)
        self._forget(now)
        if self.per_s is not None:
            alone_s = self._answer_s if self._taken == 0 else 0.0  # the first after a gate goes ahead by itself
            self._next_at = max(self._next_at, now - _CATCH_UP_S) + self._pulse.second_s(now) / self.per_s + alone_s
        self._taken += 1

    def accepted(self, permit: Permit, now: float) -> None:
        """Note a reply that is no refusal; one that is unusually late tells of a request that arrived late."""
        late_s = self._pulse.note_latency(now - permit.sent_at)
        if self.per_s is not None and late_s:
            permit.sent_at += late_s
            self._pulse.note_late(late_s, now)
        self._replied(now)

    def refused(self, permit: Permit, now: float) -> None:
        """Note a 429; the rate is corrected when the gate opens."""
        self._replied(now)
        permit.refused = True
        self._taken -= permit.sent_at >= self._opened_at
        if self._event is None and permit.sent_at > self._judged_to:
            self._event = _Event(permit.sent_at, now)

    def woke_late(self, late_s: float, now: float) -> None:
        """Note that this process itself was late by so much."""
        self._pulse.note_late(late_s, now)

    def _replied(self, now: float) -> None:
        """After a long silence, what was sent in it counts as arriving now."""
        silence_s = 0.0 if self.per_s is None else self._pulse.note_reply(now, self.per_s)
        if silence_s:
            for permit in self._sent:
                permit.sent_at = now if permit.sent_at > now - silence_s else permit.sent_at

    def _learn(self, event: _Event, now: float) -> None:
        gate_s = now - event.at
        if self.per_s is None:
            self._measure(list(self._sent))
        elif self._taken > 0:  # else the gate opened too soon, which says nothing
            self._judge(self.per_s, event)
        if self.per_s is not None:
            doubled_s = 2 * self._hold_s if now > self._grown_at else 0.0
            longer_s = min(max(_HOLD_S, _HOLD_GATES * gate_s, doubled_s), _MAX_HOLD_S)
            self._hold_s = _PROBE_HOLD_S if self._growth == "probe" else longer_s
            self._grown_at = now + self._hold_s
            slack_s = min(_SLACK_SENDS / self.per_s, _MOST_SLACK_S)
            self._next_at = now + (slack_s if gate_s < 1.0 or self._measured < _FEW else -_CATCH_UP_S)
        self._event, self._judged_to = None, self._sent[-1].sent_at if self._sent else event.sent_at
        self._taken, self._gate_s, self._opened_at = 0, gate_s, now
        self._answer_s = min(2 * (event.at - event.sent_at), _MOST_ANSWER_S)
        self._pulse.expect_reply(now)
        self._sent.clear()

    def _measure(self, recent: list[Permit]) -> None:
        if is_limit(recent, self._burst_share):
            taken = sum(not permit.refused for permit in recent)
            self._growth = "probe" if taken < _FEW else "hold"
            self.per_s = self._measured = float(max(taken, 1))
            self._events = self._taken_in_all = 0

    def _judge(self, per_s: float, event: _Event) -> None:
        self._events += 1
        self._taken_in_all += self._taken
        if self._events >= _MANY_EVENTS and self._taken_in_all < _FEW_TAKEN * self._measured:
            self.per_s, self._burst_share = None, _LIMIT_SHARE  # no pace helps: refused by chance, not by a limit
        elif self._taken > 1 and event.sent_at > self._pulse.stalled_at + 1.0:  # else it was the stall, not the pace
            self.per_s = self._correct(per_s, event)
            self._growth = "hold"

    def _correct(self, per_s: float, event: _Event) -> float:
        """Return the new rate after the pace `per_s` was refused; what was taken since the gate opened bounds it."""
        held_s = event.sent_at - self._opened_at
        least = min(per_s, self._taken / (held_s + self._gate_s))
        if held_s < 1.0:  # as in the first measurement: within a second so many were taken, and no more
            return max(least, _LEAST_KEPT_AT_ONCE * per_s, min(_MOST_KEPT_AT_ONCE * per_s, self._taken))
        # a bucket one second deep that was empty after `held_s` refills at this share of the pace
        return max(least, max(_LEAST_KEPT, held_s / (held_s + 1)) * per_s)

    def _grow(self, now: float) -> None:
        if self.per_s is not None and now > self._grown_at:
            growth = _PROBE_PER_S if self._growth == "probe" else _GROWTH_PER_S
            self.per_s *= growth ** (now - self._grown_at)
            self._grown_at = now

    def _forget(self, now: float) -> None:
        oldest = now - self._pulse.longest_second_s()
        while self._sent and self._sent[0].sent_at <= oldest:
            self._sent.popleft()


def is_limit(recent: list[Permit], share_of_burst: float = _LIMIT_SHARE_OF_BURST) -> bool:
    """Tell a limit from bad luck: past a limit nearly all is refused, and of one burst a fair share.

    Requests that left within `_SAME_TIME_S` of each other may arrive in any order.
    """
    first = next((permit.sent_at for permit in recent if permit.refused), math.inf)
    after = [permit.refused for permit in recent if permit.sent_at > first + _SAME_TIME_S]
    if len(after) >= _ENOUGH:
        return sum(after) >= _LIMIT_SHARE * len(after)
    burst = [permit.refused for permit in recent if permit.sent_at >= first - _SAME_TIME_S]
    return sum(burst) >= max(1.0, share_of_burst * len(burst))
