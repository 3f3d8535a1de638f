"""`distill monitor --once`: judge what a channel serves, and do what the config allows about it."""

from __future__ import annotations

import json
import os
import urllib.request
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from distill.engine.channels import ChannelEntry, Channels
from distill.errors import PromotionRefusedError, UsageError
from distill.monitoring.config import MonitorConfig
from distill.monitoring.health import Health, Status, judge
from distill.records.live import Audit, LivePolicy, ServedRequest

EXIT_CODES: dict[Status, int] = {"healthy": 0, "unhealthy": 3, "no_data": 4}


class LogReader(Protocol):
    """What the monitor reads; the gateway's request log is one."""

    def requests(self, channel: str, since: float = 0.0) -> list[ServedRequest]:
        """Return requests from a time on, oldest first."""
        ...

    def audits(self, channel: str, since: float = 0.0) -> list[Audit]:
        """Return audits from a time on, oldest first."""
        ...


def check(channel: str, log: LogReader, config: MonitorConfig, *, state_dir: Path, now: float) -> Health:
    """Judge the channel's current version and act: policy file, webhook, rollback where configured.

    Input drift alone only raises the shadow rate. `now` is in seconds since the epoch.

    Raises:
        UsageError: nothing was promoted to the channel.
        StoreError: the channel's history is damaged.
    """
    channels = Channels(state_dir, clock=lambda: datetime.fromtimestamp(now, UTC))
    head, entry, _ = channels.state(channel)
    if entry is None:
        raise UsageError(f"channel {channel!r} points at nothing; promote a run first")
    since = datetime.fromisoformat(entry.when).timestamp()
    health = judge(
        channel, f"{channel}@{entry.version}", log.requests(channel, since), log.audits(channel, since), config, now
    )
    actions = _write_policy(health, config, state_dir, now)
    if config.rollback and should_roll_back(health):
        actions.append(_roll_back(channels, entry, head, health))
    if config.webhook is not None and health.status == "unhealthy":
        actions.append(_page(config.webhook, replace(health, actions=tuple(actions))))
    return replace(health, actions=tuple(actions))


def should_roll_back(health: Health) -> bool:
    """Tell whether the student itself went bad: its answers alarm, and the teacher is not what moved."""
    student = health.alarms() & {"disagreement", "disagreement_level", "invalid"}
    return bool(student) and not health.warns("teacher_drift")


def describe_health(health: Health) -> dict[str, object]:
    """Return the health as the JSON object of `distill monitor --json`."""
    return asdict(health)


def _write_policy(health: Health, config: MonitorConfig, state_dir: Path, now: float) -> list[str]:
    drifts, widens = health.warns("drift_"), health.status == "unhealthy" and config.widen_by > 0
    actions: list[str] = []
    if drifts:
        actions.append(f"raised the shadow rate to {config.raised_shadow_rate:g}")
    if widens:
        actions.append(f"raised the threshold by {config.widen_by:g}")
    policy = LivePolicy(
        config.raised_shadow_rate if drifts else None,
        config.widen_by if widens else 0.0,
        health.version,
        "; ".join(actions),
        datetime.fromtimestamp(now, UTC).isoformat(),
    )
    path = state_dir / "monitor" / f"{health.channel}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(policy)), encoding="utf-8")
    temporary.replace(path)
    return actions


def _roll_back(channels: Channels, entry: ChannelEntry, head: int, health: Health) -> str:
    why = ", ".join(sorted(health.alarms()))
    try:
        new = channels.rollback(entry.channel, who="monitor", why=why, expected_version=head)
    except (UsageError, PromotionRefusedError) as error:
        return f"could not roll back: {error}"
    return f"rolled back to version {new.restores}"


def _page(url: str, health: Health) -> str:
    if not url.startswith(("http://", "https://")):
        return "webhook is not an http(s) URL; nobody was told"
    data = json.dumps(describe_health(health)).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 checked above
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return "told the webhook"
    except OSError as error:
        return f"the webhook did not answer ({error}); nobody was told"
