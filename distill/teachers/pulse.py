"""How regularly replies come: what stands still or comes late shifts requests, and a limit meets them as a burst."""

from __future__ import annotations

import math

_GAIN = 0.05
_LATE_DEVIATIONS = 3.0
_LEAST_LATE_S, _MOST_LATE_S, _STEADIER_S = 0.04, 0.15, 4.0
_SILENT_SENDS, _SILENT_SENDS_UNEVEN, _LEAST_SILENCE_S = 6.0, 8.0, 0.1
_UNEVEN_S = 0.1


class Pulse:
    """Latency with its deviation, lateness that fades, and the last reply. Times are of the throttle's clock."""

    def __init__(self) -> None:
        self.latency_s: float | None = None
        self.stalled_at = -math.inf
        self._deviation_s = 0.0
        self._late_s = self._late_at = 0.0
        self._replies = 0
        self._replied_at = 0.0

    def note_latency(self, latency_s: float) -> float:
        """Learn from the latency of an answer; returns by how many seconds it was unusually late, else 0."""
        self._replies += 1
        gain = max(_GAIN, 1 / self._replies)
        off_s = 0.0 if self.latency_s is None else latency_s - self.latency_s
        self.latency_s = latency_s if self.latency_s is None else self.latency_s + gain * off_s
        usual_s = _LATE_DEVIATIONS * self._deviation_s
        is_even = self._deviation_s < _MOST_LATE_S
        self._deviation_s += gain * (abs(off_s) - self._deviation_s)
        return max(off_s - usual_s, 0.0) if is_even else 0.0

    def note_late(self, late_s: float, now: float) -> None:
        """Note that something was late, here or there; a long stop is a single one, and is seen as silence."""
        if late_s <= _MOST_LATE_S:
            self._late_s, self._late_at = max(self._fading_s(now), late_s), now

    def note_reply(self, now: float, per_s: float) -> float:
        """Note a reply at a pace of `per_s`; returns the length of the silence that it ends, 0 when it was none."""
        silence_s, self._replied_at = now - self._replied_at, now
        sends = _SILENT_SENDS if self._deviation_s < _UNEVEN_S else _SILENT_SENDS_UNEVEN
        if silence_s < max(sends / per_s, _LEAST_SILENCE_S):
            return 0.0
        self.stalled_at = now
        return silence_s

    def expect_reply(self, now: float) -> None:
        """Note that sends begin again: before a usual latency is over, no reply is no silence."""
        self._replied_at = now + (self.latency_s or 0.0) + 2 * self._deviation_s

    def second_s(self, now: float) -> float:
        """Return a second with the room that late arrivals need, so that none at the server holds one too many."""
        return 1.0 + max(_LEAST_LATE_S, self._fading_s(now))

    def longest_second_s(self) -> float:
        """Return what `second_s` can be at most, as long as nothing more is late."""
        return 1.0 + max(_LEAST_LATE_S, self._late_s)

    def _fading_s(self, now: float) -> float:
        return self._late_s * math.exp((self._late_at - now) / _STEADIER_S)
