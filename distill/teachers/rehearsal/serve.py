"""Run the rehearsal teacher: blocking, on one port, until it is stopped or whoever started it is gone."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from distill.errors import MissingExtraError, UsageError
from distill.teachers.rehearsal.faults import FaultPlan
from distill.teachers.rehearsal.knowledge import load_knowledge


def serve(
    knowledge: tuple[Path, ...],
    *,
    question: str = "text",
    answer: str = "answer",
    labels: tuple[str, ...] | None = None,
    model: str = "rehearsal",
    faults: FaultPlan | None = None,
    latency_ms: float = 0.0,
    host: str = "127.0.0.1",
    port: int = 0,
    shutdown_date: str | None = None,
    as_child: bool = False,
) -> None:
    """Serve until interrupted; `port` 0 takes a free one. One line of JSON on stdout says where.

    `as_child` ends the process when its standard input closes, which it does when the parent dies.

    Raises:
        MissingExtraError: starlette or uvicorn is not installed.
        DataError: the knowledge cannot be read.
        UsageError: the port is taken.
    """
    try:
        import uvicorn  # noqa: PLC0415  (the `serve` extra)

        from distill.teachers.rehearsal.server import Desk, build_app  # noqa: PLC0415  (starlette, likewise)
    except ImportError as error:
        raise MissingExtraError(error.name or "uvicorn", "serve") from error
    known = load_knowledge(knowledge, question=question, answer=answer, labels=labels)
    desk = Desk(known, model, faults or FaultPlan(), latency_ms / 1000, shutdown_date)
    listener = listen(host, port)
    config = uvicorn.Config(build_app(desk), log_level="critical", access_log=False, ws="none", lifespan="off",
                            timeout_graceful_shutdown=1, backlog=2048)  # fmt: skip
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").disabled = True  # a reset that was asked for is no news
    if as_child:
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    where = {"url": f"http://{host}:{listener.getsockname()[1]}/v1", "known": len(known.known), "model": model}
    sys.stdout.write(json.dumps(where) + "\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening address; port 0 takes a free one.

    Raises:
        UsageError: the address cannot be taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # before the address is told: a caller may connect at once
    except OSError as error:
        listener.close()
        raise UsageError(f"the rehearsal teacher cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _exit_with_parent() -> None:
    stdin: Any = sys.stdin.buffer
    while stdin.read(1024):
        pass
    os._exit(0)
