"""One look at what a channel serves: read what is new in the log, judge, and do what the config allows about it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from distill.engine.channels import ChannelEntry, Channels, ChannelState
from distill.errors import PromotionRefusedError, UsageError
from distill.monitoring.config import MonitorConfig
from distill.monitoring.findings import Finding
from distill.monitoring.health import Health, Status, judge_memory
from distill.monitoring.memory import Memory, load_memory, save_memory
from distill.monitoring.signals import STUDENT_SIGNALS
from distill.monitoring.trial import Trial, judge_trial, pair_audits
from distill.records.live import Audit, CanaryRules, LivePolicy, ServedRequest

EXIT_CODES: dict[Status, int] = {"healthy": 0, "unhealthy": 3, "no_data": 4}
PAGE_ROWS = 20_000
_Row = TypeVar("_Row", ServedRequest, Audit)


class LogReader(Protocol):
    """What the monitor reads, in pages; the gateway's request log is one."""

    def requests(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[ServedRequest]:
        """Return requests from a time on and after a row number, oldest first; of one version; at most `limit`."""
        ...

    def audits(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[Audit]:
        """Return audits likewise."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One channel's monitor at work: the channel, its log, the settings, the time (seconds since the epoch)."""

    channel: str
    log: LogReader
    config: MonitorConfig
    state_dir: Path
    channels: Channels
    now: float


def check(
    channel: str, log: LogReader, config: MonitorConfig, *, state_dir: Path, now: float, place: Path | str | None = None
) -> Health:
    """Judge the channel's current version and act: policy file, canary, rollback where configured, webhook.

    Input drift alone only raises the shadow rate. `now` is in seconds since the epoch.

    Raises:
        UsageError: nothing was promoted to the channel.
        StoreError: the channel's history is damaged.
    """
    channels = Channels(state_dir if place is None else place, clock=lambda: datetime.fromtimestamp(now, UTC))
    state = channels.state(channel)
    if state.serving is None:
        raise UsageError(f"channel {channel!r} points at nothing; promote a run first")
    desk = Desk(channel, log, config, state_dir, channels, now)
    path = state_dir / "monitor" / f"{channel}.memory.json"
    memory = load_memory(path, state.serving.label)
    read_new(desk, memory, datetime.fromisoformat(state.serving.when).timestamp())
    health = judge_memory(channel, memory, config, now)
    actions = _write_policy(desk, health)
    if state.canary is not None and config.judge_canary:
        finding, done = _judge_canary(desk, state, state.serving, state.canary)
        health, actions = replace(health, findings=(*health.findings, finding)), [*actions, *done]
    if config.rollback and should_roll_back(health) and channels.state(channel).head == state.head:
        actions.append(_roll_back(desk, state.head, health))
    health = replace(health, actions=tuple(actions))
    health = _page(desk, health, memory)
    save_memory(memory, path)
    return health


def read_new(desk: Desk, memory: Memory, since: float) -> None:
    """Bring a memory up to date with the log, page by page."""
    version = memory.version
    log, channel = desk.log, desk.channel
    for page in _pages(lambda after: log.requests(channel, since, after, version, PAGE_ROWS), memory.request_number):
        memory.absorb(page, (), desk.config)
    for page in _pages(lambda after: log.audits(channel, since, after, version, PAGE_ROWS), memory.audit_number):
        memory.absorb((), page, desk.config)


def should_roll_back(health: Health) -> bool:
    """Tell whether the student itself went bad: its answers alarm, and the teacher is not what moved.

    Failures and slowness of an upstream, escalation and every kind of drift are not reasons.
    """
    student = health.alarms() & STUDENT_SIGNALS
    return bool(student) and not health.warns("teacher_drift")


def describe_health(health: Health) -> dict[str, object]:
    """Return the health as a JSON object, without the tally behind its costs."""
    return {name: value for name, value in asdict(health).items() if name != "spend"}


def _pages(read: Callable[[int], Sequence[_Row]], after: int) -> list[Sequence[_Row]]:
    pages: list[Sequence[_Row]] = []
    while page := read(after):
        pages.append(page)
        after = page[-1].number
        if len(page) < PAGE_ROWS:
            break
    return pages


def _write_policy(desk: Desk, health: Health) -> list[str]:
    config = desk.config
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
        datetime.fromtimestamp(desk.now, UTC).isoformat(),
    )
    path = desk.state_dir / "monitor" / f"{desk.channel}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(policy)), encoding="utf-8")
    temporary.replace(path)
    return actions


def _judge_canary(
    desk: Desk, state: ChannelState, serving: ChannelEntry, canary: ChannelEntry
) -> tuple[Finding, list[str]]:
    rules = CanaryRules.model_validate(canary.metadata["canary"])
    began = datetime.fromisoformat(canary.when).timestamp()
    pairs = pair_audits(desk.log.audits(desk.channel, began), serving.label, canary.label)
    requests = desk.log.requests(desk.channel, began, version=canary.label)
    trial = judge_trial(pairs, requests, rules, (desk.now - began) / 3600)
    status = "alarm" if trial.word == "withdraw" else "ok"
    finding = Finding("canary", status, f"{canary.label}: {trial.word}: {trial.reason}", len(pairs))
    return finding, [] if trial.word == "continue" else [_end_trial(desk, state, serving, canary, trial)]


def _end_trial(desk: Desk, state: ChannelState, serving: ChannelEntry, canary: ChannelEntry, trial: Trial) -> str:
    kept = canary if trial.word == "promote" else serving
    action = "promote" if trial.word == "promote" else "withdraw"
    metadata = {**{k: v for k, v in kept.metadata.items() if k != "canary"}, "trial": trial.evidence}
    try:
        desk.channels.move(
            desk.channel, kept.target, expected_version=state.head, who="monitor", why=trial.reason,
            action=action, restores=canary.version, metadata=metadata,
        )  # fmt: skip
    except (UsageError, PromotionRefusedError) as error:
        return f"could not end the canary: {error}"
    return f"{'promoted' if trial.word == 'promote' else 'withdrew'} the canary {canary.label}: {trial.reason}"


def _roll_back(desk: Desk, head: int, health: Health) -> str:
    why = ", ".join(sorted(health.alarms()))
    try:
        new = desk.channels.rollback(desk.channel, who="monitor", why=why, expected_version=head)
    except (UsageError, PromotionRefusedError) as error:
        return f"could not roll back: {error}"
    return (
        f"withdrew the canary {new.restores}" if new.action == "withdraw" else f"rolled back to version {new.restores}"
    )


def _page(desk: Desk, health: Health, memory: Memory) -> Health:
    """Tell the webhook of a bad health: when its alarms change, and again every `repeat_page_s`."""
    config, alarms = desk.config, tuple(sorted(health.alarms()))
    if not alarms:
        memory.paged = ()
    fresh = alarms != memory.paged or desk.now - memory.paged_at >= config.repeat_page_s
    if config.webhook is None or not alarms or not fresh:
        return health
    said, sent = post_json(config.webhook, describe_health(health))
    if sent:
        memory.paged, memory.paged_at = alarms, desk.now
    return replace(health, actions=(*health.actions, said))


def post_json(url: str, body: object) -> tuple[str, bool]:
    """POST a JSON object; return what to say about it, and whether somebody was told."""
    if not url.startswith(("http://", "https://")):
        return "webhook is not an http(s) URL; nobody was told", False
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 checked above
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return "told the webhook", True
    except OSError as error:
        return f"the webhook did not answer ({error}); nobody was told", False
