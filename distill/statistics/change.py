"""A rate that rises, noticed soon: the Shiryaev-Roberts e-detector (Shin et al. 2022, arXiv:2203.03532)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class ShiryaevRoberts:
    """M = (M + 1) L with L the likelihood ratio of `p1` against `p0`; alarm at M >= `arl`.

    While the true rate is at most p0, alarms come at least `arl` labels apart on average.
    """

    p0: float
    p1: float
    arl: float = 10_000.0
    value: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.p0 < self.p1 < 1:
            raise ValueError(f"need 0 < p0 < p1 < 1, got p0={self.p0!r}, p1={self.p1!r}")

    def update(self, event: bool) -> bool:
        """Take in one label (True: the event happened) and say whether the alarm is on."""
        ratio = self.p1 / self.p0 if event else (1 - self.p1) / (1 - self.p0)
        self.value = min((self.value + 1) * ratio, 1e300)
        self.seen += 1
        return self.alarm

    @property
    def alarm(self) -> bool:
        """Whether the evidence of a change reaches the limit."""
        return self.value >= self.arl


def shiryaev_roberts(events: Sequence[int], p0: float, p1: float) -> list[float]:
    """Return the detector's value after each label.

    Raises:
        ValueError: not 0 < p0 < p1 < 1.
    """
    detector = ShiryaevRoberts(p0, p1)
    values: list[float] = []
    for event in events:
        detector.update(bool(event))
        values.append(detector.value)
    return values
