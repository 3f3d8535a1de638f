"""Start the rehearsal teacher as a process of its own, wait until it answers, and stop it whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from distill.errors import DataError, TeacherError
from distill.teachers.config import TeacherConfig

_START_S = 60.0
_STOP_S = 3.0


@contextmanager
def rehearsal_process(
    config: TeacherConfig,
    files: Sequence[Path],
    *,
    labels: tuple[str, ...] | None = None,
    faults: str = "",
    latency_ms: float = 0.0,
    shutdown_date: str | None = None,
) -> Generator[str]:
    """Yield the base URL of a rehearsal teacher on a free loopback port.

    The child reads its standard input; when this process dies, however it dies, that closes and the child ends.

    Raises:
        DataError: the knowledge cannot be read.
        TeacherError: of kind `connection`: the server did not start.
    """
    settings = {
        "knowledge": [str(file) for file in files],
        "question": config.knowledge_input,
        "answer": config.knowledge_answer,
        "labels": labels,
        "model": config.model,
        "faults": faults,
        "latency_ms": latency_ms,
        "shutdown_date": shutdown_date,
    }
    command = [sys.executable, "-m", "distill.teachers.rehearsal", json.dumps(settings)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603  (our own module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        ) as child,
    ):
        try:
            yield _await_url(child, errors)
        finally:
            _stop(child)


def _await_url(child: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    assert child.stdout is not None
    timer = threading.Timer(_START_S, child.kill)
    timer.start()
    try:
        line = child.stdout.readline()
    finally:
        timer.cancel()
    if line:
        return str(json.loads(line)["url"])
    code = child.wait()
    errors.seek(0)
    said = errors.read().decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
    if code == DataError.exit_code:
        raise DataError(said[-1])
    raise TeacherError(f"the rehearsal teacher did not start: {said[-1][:300]}", kind="connection")


def _stop(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
