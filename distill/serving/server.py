"""`distill serve`: loads the channel, watches it, listens, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from distill.engine.channels import ChannelEntry, Channels
from distill.errors import UsageError
from distill.records.live import LivePolicy
from distill.serving.app import create_app
from distill.serving.config import ServeConfig
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.students import LoadedStudent, Loader, load_entry, load_student, read_current
from distill.serving.upstream import HttpTeacher, UpstreamStudent

_logger = structlog.get_logger(__name__)


def read_keys(config: ServeConfig) -> list[str]:
    """Return the accepted API keys; empty where none is asked for.

    Raises:
        UsageError: keys are needed and the environment holds none.
    """
    if config.auth == "off" or (config.auth == "auto" and is_loopback(config.host)):
        return []
    keys = [key.strip() for key in os.environ.get(config.api_key_env, "").split(",") if key.strip()]
    if not keys:
        raise UsageError(f"serving on {config.host} needs API keys: set {config.api_key_env}, or auth: off")
    return keys


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def watch_channel(
    gateway: Gateway, channels: Channels, state_dir: Path, current: ChannelEntry, load: Loader = load_student
) -> None:
    """Follow a channel for ever: load what it points at beside the traffic and swap; a broken version changes nothing.

    The version that was replaced stays loaded, so that rolling back to it takes no load.
    """
    warm: dict[str, LoadedStudent] = {current.target: gateway.student}
    seen = current.version
    while True:
        await asyncio.sleep(gateway.config.poll_s)
        try:
            apply_policy(gateway, state_dir)
            entry = await asyncio.to_thread(channels.read, current.channel)
            if entry is None or entry.version == seen:
                continue
            seen = entry.version
            kept = warm.get(entry.target)
            student = kept or await asyncio.to_thread(load_entry, entry, state_dir, load)
            version = f"{entry.channel}@{entry.version}"
            old = gateway.student
            student = LoadedStudent(version, student.task, student.predictor, student.threshold)
            await gateway.swap(student)
        except Exception as error:  # noqa: BLE001 whatever is wrong with the new version, the old one keeps serving
            gateway.swap_error = f"{type(error).__name__}: {error}"[:500]
            _logger.error("swap_failed", version=seen, error=gateway.swap_error, serving=gateway.student.version)  # noqa: TRY400
        else:
            _logger.info("swapped", version=version, was=old.version)
            warm = {current.target: old, entry.target: student}
            current = entry


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


def run_server(
    config: ServeConfig, *, state_dir: Path, channel: str | None = None, student_dir: Path | None = None
) -> None:
    """Serve a channel, or one student directory, until SIGTERM or Ctrl-C; blocks.

    Raises:
        UsageError: neither or both are given, nothing was promoted, or keys are missing.
        StoreError: the student cannot be loaded.
    """
    if (channel is None) == (student_dir is None):
        raise UsageError("serve one thing: a channel or a run's student")
    keys = read_keys(config)
    watcher: Callable[[Gateway], Awaitable[None]] | None = None
    if channel is not None:
        channels = Channels(state_dir)
        entry = read_current(channels, channel)
        student, name = load_entry(entry, state_dir), channel

        async def watch(gateway: Gateway) -> None:
            await watch_channel(gateway, channels, state_dir, entry)

        watcher = watch
    else:
        assert student_dir is not None
        student, name = load_student(student_dir, student_dir.name), student_dir.name
    asyncio.run(_serve(config, student, name, keys, state_dir, watcher))


async def _serve(
    config: ServeConfig,
    student: LoadedStudent,
    name: str,
    keys: list[str],
    state_dir: Path,
    watcher: Callable[[Gateway], Awaitable[None]] | None,
) -> None:
    teacher = HttpTeacher(config.fallback) if config.fallback else None
    engine = UpstreamStudent(config.upstream) if config.upstream else None
    gateway = Gateway(config, name, student, teacher, engine=engine)
    log = RequestLog(state_dir / "requests.db", config.log) if config.log else None
    app = create_app(gateway, keys=keys, log=log, background=watcher)
    settings = uvicorn.Config(
        app, config.host, config.port, log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=int(config.drain_timeout_s) or 1,
    )  # fmt: skip
    await GatewayServer(settings, gateway).serve()


class GatewayServer(uvicorn.Server):
    """uvicorn that says "draining" to new requests as soon as it is asked to stop, and lets those under way end."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        """Bind the gateway whose `draining` is set."""
        super().__init__(config)
        self._gateway = gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        self._gateway.draining = True
        super().handle_exit(sig, frame)


__all__ = ["GatewayServer", "apply_policy", "is_loopback", "read_keys", "run_server", "watch_channel"]
