"""Following a channel under traffic: versions and canaries load beside the requests; a broken one changes nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from distill.engine.channels import ChannelEntry, Channels, Depot, find_rollback_goal, find_state
from distill.errors import UsageError
from distill.records.live import CanaryRules, LivePolicy
from distill.serving.gateway import Gateway
from distill.serving.students import LoadedStudent, Loader, load_entry, load_student

_logger = structlog.get_logger(__name__)
Clock = Callable[[], float]


class Watcher:
    """Brings a gateway to what its channel says, again and again.

    Versions once loaded stay warm by target while they may be needed: what serves, what was before it, the canary.
    """

    def __init__(
        self,
        gateway: Gateway,
        channels: Channels,
        depot: Depot,
        state_dir: Path,
        current: ChannelEntry,
        load: Loader = load_student,
        clock: Clock = time.monotonic,
    ) -> None:
        """Bind the gateway that serves `current` already."""
        self._gateway, self._channels, self._depot, self._state_dir = gateway, channels, depot, state_dir
        self._load, self._clock = load, clock
        self._serving, self._canary_version = current, 0
        self._warm: dict[str, LoadedStudent] = {current.target: gateway.student}
        self._not_before: dict[int, float] = {}

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await asyncio.sleep(self._gateway.config.poll_s)
            await self.step()

    async def step(self) -> None:
        """Look once and follow."""
        gateway = self._gateway
        try:
            apply_policy(gateway, self._state_dir)
            entries = await asyncio.to_thread(self._channels.history, gateway.name)
        except Exception as error:  # noqa: BLE001 whatever is wrong with the channel, what serves goes on
            gateway.swap_error = self._say("channel_unreadable", error, 0)
            return
        _, serving, canary = find_state(entries)
        if serving is not None:
            await self._follow(serving)
        await self._follow_canary(canary)
        if canary is not None and gateway.arms.canary is not None:
            gateway.shadow_rate = max(gateway.shadow_rate, read_rules(canary).shadow_rate)
        if gateway.swap_error is None and gateway.config.keep_warm:
            await self._keep_warm(entries, {entry.target for entry in (serving, canary) if entry is not None})

    async def _follow(self, entry: ChannelEntry) -> None:
        gateway = self._gateway
        if entry.version == self._serving.version:
            gateway.swap_error = None
            return
        if self._clock() < self._not_before.get(entry.version, 0.0):
            return
        try:
            student = await self._get(entry)
            await gateway.arms.swap(student)
        except Exception as error:  # noqa: BLE001 whatever is wrong with the new version, the old one keeps serving
            gateway.swap_error = self._say("swap_failed", error, entry.version)
        else:
            _logger.info("swapped", version=entry.label, was=self._serving.label)
            self._serving, gateway.swap_error = entry, None

    async def _follow_canary(self, entry: ChannelEntry | None) -> None:
        gateway, wanted = self._gateway, 0 if entry is None else entry.version
        if wanted == self._canary_version:
            return
        if entry is None:
            await gateway.arms.end_canary()
            self._canary_version, gateway.canary_error = 0, None
            _logger.info("canary_ended", serving=gateway.student.version)
            return
        if self._clock() < self._not_before.get(entry.version, 0.0):
            return
        try:
            share = read_rules(entry).share
            await gateway.arms.start_canary(await self._get(entry), share)
        except Exception as error:  # noqa: BLE001 as above
            gateway.canary_error = self._say("canary_failed", error, entry.version)
        else:
            self._canary_version, gateway.canary_error = entry.version, None
            _logger.info("canary_started", version=entry.label, share=share)

    async def _get(self, entry: ChannelEntry) -> LoadedStudent:
        """Return the student of an entry under its own label, from the warm ones where it is there."""
        kept = self._warm.get(entry.target) or await asyncio.to_thread(load_entry, entry, self._depot, self._load)
        self._warm[entry.target] = kept
        return LoadedStudent(entry.label, kept.task, kept.predictor, kept.threshold)

    async def _keep_warm(self, entries: list[ChannelEntry], needed: set[str]) -> None:
        """Load what a rollback would bring back, and let go of everything older."""
        try:
            goal = find_rollback_goal(entries, None, self._gateway.name)
        except UsageError:
            goal = None
        if goal is not None:
            needed = {*needed, goal.target}
            if goal.target not in self._warm and self._clock() >= self._not_before.get(-goal.version, 0.0):
                try:
                    await self._get(goal)
                except Exception as error:  # noqa: BLE001 a rollback would be broken: said, and nothing else
                    self._say("previous_version_broken", error, -goal.version)
        self._warm = {target: student for target, student in self._warm.items() if target in needed}

    def _say(self, event: str, error: Exception, version: int) -> str:
        self._not_before[version] = self._clock() + self._gateway.config.retry_load_s
        text = f"{type(error).__name__}: {error}"[:500]
        _logger.error(event, version=version, error=text, serving=self._gateway.student.version)
        return text


def read_rules(entry: ChannelEntry) -> CanaryRules:
    """Return the rules that a canary's entry fixed.

    Raises:
        ValueError: there are none, or they cannot be used.
    """
    return CanaryRules.model_validate(entry.metadata.get("canary"))


def apply_policy(gateway: Gateway, state_dir: Path) -> None:
    """Take over what the monitor asks for (`monitor/<channel>.json`): shadow rate and a raised threshold.

    A policy written for another version does not apply.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        text = (state_dir / "monitor" / f"{gateway.name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        policy = LivePolicy()
    else:
        policy = LivePolicy(**json.loads(text))
    applies = policy.version == gateway.student.version
    gateway.threshold_add = policy.threshold_add if applies else 0.0
    rate = policy.shadow_rate if applies else None
    gateway.shadow_rate = gateway.config.shadow.rate if rate is None else rate
