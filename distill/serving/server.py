"""`distill serve`: loads the channel, watches it, listens, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from distill.engine.channels import Channels, Depot
from distill.errors import UsageError
from distill.serving.app import Background, create_app
from distill.serving.config import ServeConfig
from distill.serving.fixed_set import FixedSet
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.students import LoadedStudent, Loader, load_described, load_entry, load_student, read_current
from distill.serving.upstream import HttpTeacher, UpstreamStudent
from distill.serving.watch import Watcher

MakeWatcher = Callable[[Gateway], Watcher]
_SWITCH_INTERVAL_S = 0.0005
"""The log's writer thread may hold the interpreter this long while an answer waits (Python's own: 5 ms)."""

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


def run_server(
    config: ServeConfig,
    *,
    state_dir: Path,
    channel: str | None = None,
    student_dir: Path | None = None,
    place: Path | str | None = None,
) -> None:
    """Serve a channel, or one student directory, until SIGTERM or Ctrl-C; blocks.

    Args:
        config: the gateway's settings.
        state_dir: where the request log and the monitor's policy are.
        channel: the channel to follow, or
        student_dir: the one student to serve.
        place: where channels are, a directory or a URL; default: the state directory.

    Raises:
        UsageError: neither or both are given, nothing was promoted, or keys are missing.
        StoreError: the student cannot be loaded.
        DataError: the fixed inputs cannot be read.
    """
    if (channel is None) == (student_dir is None):
        raise UsageError("serve one thing: a channel or a run's student")
    keys = read_keys(config)
    load: Loader = load_described if config.upstream else load_student
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    watch: MakeWatcher | None = None
    if channel is not None:
        at = state_dir if place is None else place
        channels, depot = Channels(at), Depot(at, state_dir)
        entry = read_current(channels, channel)
        student, name = load_entry(entry, depot, load), channel

        def make_watcher(gateway: Gateway) -> Watcher:
            return Watcher(gateway, channels, depot, state_dir, entry, load)

        watch = make_watcher
    else:
        assert student_dir is not None
        student, name = load(student_dir, student_dir.name), student_dir.name
    with asyncio.Runner(loop_factory=_choose_loop()) as runner:
        runner.run(_serve(config, student, name, keys, state_dir, watch))


async def _serve(
    config: ServeConfig,
    student: LoadedStudent,
    name: str,
    keys: list[str],
    state_dir: Path,
    make_watcher: MakeWatcher | None,
) -> None:
    teacher = HttpTeacher(config.fallback) if config.fallback else None
    engine = UpstreamStudent(config.upstream) if config.upstream else None
    gateway = Gateway(config, name, student, teacher, engine=engine)
    log = RequestLog(state_dir / "requests.db", config.log) if config.log else None
    background: list[Background] = [] if make_watcher is None else [make_watcher(gateway).run]
    if config.fixed_set is not None and log is not None:
        background.append(FixedSet(gateway, log, config.fixed_set, state_dir).run)
    app = create_app(gateway, keys=keys, log=log, background=background)
    settings = uvicorn.Config(
        app, config.host, config.port, log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=int(config.drain_timeout_s) or 1, backlog=4096,
    )  # fmt: skip
    await GatewayServer(settings, gateway).serve()


class GatewayServer(uvicorn.Server):
    """uvicorn that says "draining" to new requests as soon as it is asked to stop, and lets those under way end."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        """Bind the gateway whose `draining` is set."""
        super().__init__(config)
        self._gateway = gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, and end with exit code 0; a second Ctrl-C waits for nobody.

        uvicorn's own would raise the signal again after the drain, and so end as if killed.
        """
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self._gateway.draining = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where: with port 0 nobody could know otherwise."""
        await super().startup(sockets)
        for server in self.servers:
            host, port = server.sockets[0].getsockname()[:2]
            serving = self._gateway.student.version
            _logger.info("listening", url=f"http://{host}:{port}/v1", serving=serving)


def _choose_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop where it is installed: a third of the loop's own cost."""
    try:
        import uvloop  # noqa: PLC0415 not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


__all__ = ["GatewayServer", "is_loopback", "read_keys", "run_server"]
