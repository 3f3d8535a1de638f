"""What the monitor promises, simulated: how often it cries wolf, how soon it sees a drop."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest

from distill.monitoring.config import MonitorConfig, RateConfig
from distill.monitoring.memory import Memory, Tally, alarm_limit
from distill.monitoring.signals import SIGNALS
from distill.records.live import Audit, ServedRequest

CONFIG = MonitorConfig()
VERSION = "production@1"


def first_alarm(events: np.ndarray, rate: RateConfig, limit: float) -> int | None:
    tally = Tally()
    for event in events:
        tally.add(bool(event), rate, limit)
    return tally.alarm_at


def test_a_drop_from_3_to_12_percent_is_found_within_250_audits_by_median() -> None:
    rng, delays = np.random.default_rng(0), list[int]()
    for _ in range(200):
        events = np.concatenate([rng.random(300) < 0.03, rng.random(3000) < 0.12])
        alarm = first_alarm(events, CONFIG.disagreement, alarm_limit(CONFIG))
        assert alarm is not None
        delays.append(alarm - 300)
    assert min(delays) > 0
    assert median(delays) <= 250


@pytest.mark.slow
def test_all_detectors_together_cry_wolf_no_more_often_than_stated() -> None:
    """10,000 requests and audits without change, every rate exactly at its acceptable level: the worst healthy case."""
    rng, runs, alarms = np.random.default_rng(1), 60, 0
    rates = {name: getattr(CONFIG, name) for name in (*SIGNALS, "disagreement")}
    for _ in range(runs):
        alarms += any(
            first_alarm(rng.random(CONFIG.horizon) < rate.acceptable, rate, alarm_limit(CONFIG)) is not None
            for rate in rates.values()
        )
    stated = CONFIG.false_alarm
    assert alarms <= runs * stated + 3 * (runs * stated * (1 - stated)) ** 0.5


def test_a_limit_set_too_low_would_cry_wolf() -> None:
    rng, rate = np.random.default_rng(1), CONFIG.disagreement
    alarms = sum(first_alarm(rng.random(10_000) < 0.03, rate, 20.0) is not None for _ in range(5))
    assert alarms == 5


def test_a_day_of_healthy_traffic_through_the_whole_monitor_is_healthy() -> None:
    rng, memory = np.random.default_rng(2), Memory(VERSION)
    reasons = np.where(rng.random(10_000) < 0.4, "low_confidence", "")
    latencies = rng.gamma(2.0, 60.0, 10_000)
    rows = [
        ServedRequest(
            str(i), float(i), "production", VERSION, "m", "student", 200, float(latencies[i]), reason=str(reasons[i])
        )
        for i in range(10_000)
    ]
    agreed = rng.random(2000) >= 0.02
    audits = [Audit(str(i), 1.0, "production", VERSION, "shadow", bool(ok), "x") for i, ok in enumerate(agreed)]
    memory.absorb(rows, audits, CONFIG)
    assert [name for name, tally in memory.tallies.items() if tally.alarm_at is not None] == []
