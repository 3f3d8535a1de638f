from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from distill.engine.channels import Channels
from distill.errors import UsageError
from distill.monitoring.check import EXIT_CODES, check, should_roll_back
from distill.monitoring.config import MonitorConfig, RateConfig
from distill.monitoring.health import Health, detect, judge
from distill.records.live import Audit, ServedRequest
from distill.statistics.change import ShiryaevRoberts

NOW = 1_800_000_000.0
CONFIG = MonitorConfig(rollback=True)
VERSION = "production@2"


def request(number: int, text: str = "where is my parcel", reason: str = "", **more: object) -> ServedRequest:
    values: dict[str, object] = {"answered_by": "student", "status": 200, "latency_ms": 5.0} | more
    return ServedRequest(
        str(number), NOW - 1000 + number / 10, "production", VERSION, "m",
        text=text, length_chars=len(text), reason=reason, **values,  # type: ignore[arg-type]
    )  # fmt: skip


def audits(agreed: list[bool], kind: str = "shadow") -> list[Audit]:
    return [Audit(str(i), NOW - 100, "production", VERSION, kind, ok, "x") for i, ok in enumerate(agreed)]  # type: ignore[arg-type]


class Log:
    def __init__(self, requests: list[ServedRequest], audits_: list[Audit]) -> None:
        self._requests, self._audits = requests, audits_

    def requests(self, channel: str, since: float = 0.0) -> list[ServedRequest]:
        return self._requests

    def audits(self, channel: str, since: float = 0.0) -> list[Audit]:
        return self._audits


@pytest.fixture
def state(tmp_path: Path) -> Path:
    channels = Channels(tmp_path, clock=lambda: datetime.fromtimestamp(NOW - 5000, UTC))
    for step, target in enumerate("ab"):
        channels.move("production", target, expected_version=step, who="ada", why="gate")
    return tmp_path


def judge_with(requests: list[ServedRequest], audits_: list[Audit]) -> Health:
    return judge("production", VERSION, requests, audits_, CONFIG, NOW)


def test_steady_traffic_is_healthy() -> None:
    assert judge_with([request(i) for i in range(100)], audits([True] * 50)).status == "healthy"


@pytest.mark.parametrize(("requests", "audited"), [(0, 0), (100, 0), (0, 50), (100, 5)])
def test_no_data_is_never_healthy(requests: int, audited: int) -> None:
    health = judge_with([request(i) for i in range(requests)], audits([True] * audited))
    assert health.status == "no_data"
    assert EXIT_CODES[health.status] != 0


def test_old_data_and_another_versions_data_are_no_data() -> None:
    rows, audited = [request(i) for i in range(100)], audits([True] * 50)
    assert judge("production", VERSION, rows, audited, CONFIG, NOW + 1e6).status == "no_data"
    assert judge("production", "production@3", rows, audited, CONFIG, NOW).status == "no_data"


@pytest.mark.parametrize("more", [{"reason": "unparseable"}, {"latency_ms": 5000.0}, {"answered_by": "none"}])
def test_bad_output_alarms_without_labels(more: dict[str, object]) -> None:
    rows = [request(i) for i in range(300)] + [request(i, **more) for i in range(300, 400)]  # type: ignore[arg-type]
    assert judge_with(rows, audits([True] * 50)).status == "unhealthy"


def test_a_drop_from_3_to_12_percent_is_found_within_250_audits_by_median() -> None:
    rng, limit = np.random.default_rng(0), CONFIG.horizon * 6 / CONFIG.false_alarm
    delays: list[int] = []
    for _ in range(200):
        detector = ShiryaevRoberts(CONFIG.disagreement.acceptable, CONFIG.disagreement.bad, limit)
        for event in rng.random(300) < 0.03:
            detector.update(bool(event))
        delays.append(
            next((n for n, event in enumerate(rng.random(5000) < 0.12, 1) if detector.update(bool(event))), 5000)
        )
    assert median(delays) <= 250


def test_false_alarms_over_10000_requests_stay_within_what_is_stated() -> None:
    rng = np.random.default_rng(1)
    rate = RateConfig(acceptable=0.03, bad=0.08)
    alarms = sum(detect("x", (rng.random(10_000) < 0.03).tolist(), rate, CONFIG).status == "alarm" for _ in range(200))
    assert alarms / 200 <= CONFIG.false_alarm / 6 + 0.015


def test_a_limit_set_too_low_would_alarm_falsely() -> None:
    rng = np.random.default_rng(1)
    loose = MonitorConfig(false_alarm=0.99, horizon=10)
    rate = RateConfig(acceptable=0.03, bad=0.08)
    assert any(detect("x", (rng.random(10_000) < 0.03).tolist(), rate, loose).status == "alarm" for _ in range(5))


def test_input_drift_alone_warns_raises_the_shadow_rate_and_never_rolls_back(state: Path) -> None:
    rows = [request(i, f"where is parcel {i}") for i in range(300)]
    rows += [request(i, f"totally other words about invoices and payments number {i}") for i in range(300, 600)]
    health = check("production", Log(rows, audits([True] * 50)), CONFIG, state_dir=state, now=NOW)
    assert health.status == "healthy"
    assert health.warns("drift_content")
    assert health.actions == ("raised the shadow rate to 0.2",)
    assert len(Channels(state).history("production")) == 2


def test_same_input_does_not_warn_of_drift() -> None:
    words = np.random.default_rng(0).choice(["parcel", "refund", "oven", "late", "broken"], (600, 6))
    health = judge_with([request(i, " ".join(row)) for i, row in enumerate(words)], audits([True] * 50))
    assert not health.warns("drift_")


def test_a_bad_student_is_rolled_back_only_when_configured(state: Path) -> None:
    log = Log([request(i) for i in range(100)], audits([False] * 50))
    quiet = check("production", log, MonitorConfig(), state_dir=state, now=NOW)
    assert (quiet.status, quiet.actions) == ("unhealthy", ())
    loud = check("production", log, CONFIG, state_dir=state, now=NOW)
    assert loud.actions == ("rolled back to version 1",)
    entry = Channels(state).read("production")
    assert entry is not None
    assert (entry.target, entry.who) == ("a", "monitor")


def test_a_teacher_that_moved_is_not_the_students_fault() -> None:
    audited = audits([False] * 50) + audits([False] * 50, "canary_teacher")
    health = judge_with([request(i) for i in range(100)], audited)
    assert health.status == "unhealthy"
    assert not should_roll_back(health)


def test_a_slice_that_escalates_far_more_often_is_named() -> None:
    rows = [request(i, slices={"language": "en"}) for i in range(300)]
    rows += [request(i, reason="low_confidence", slices={"language": "pt"}) for i in range(300, 400)]
    health = judge_with(rows, audits([True] * 50))
    assert health.warns("parity language=pt")
    assert not health.warns("parity language=en")


def test_a_dead_webhook_is_said(state: Path) -> None:
    config = MonitorConfig(webhook="http://127.0.0.1:9/hook", widen_by=0.1)
    log = Log([request(i) for i in range(100)], audits([False] * 50))
    actions = check("production", log, config, state_dir=state, now=NOW).actions
    assert actions[0] == "raised the threshold by 0.1"
    assert "nobody was told" in actions[1]


def test_an_empty_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="points at nothing"):
        check("production", Log([], []), CONFIG, state_dir=tmp_path, now=NOW)
