"""Running a teacher's code with its tests: another process, no network, bounded time and memory, an empty folder.

The child denies itself sockets in the kernel (seccomp, where Linux offers it) and in Python (an audit hook that also
refuses new processes and files outside its folder). It guards against what models write by mistake; against code that
is written to break out, run the whole job in a container.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

_CHILD = Path(__file__).with_name("sandbox_child.py")
_OUTPUT_BYTES = 4000


class Limits(NamedTuple):
    """What a run may use."""

    time_s: float
    memory_mb: int


class Ran(NamedTuple):
    """How a run ended, with the last of what it said."""

    outcome: Literal["passed", "failed", "timeout", "memory", "blocked"]
    output: str


def run_tests(code: str, tests: str, limits: Limits) -> Ran:
    """Run `code`, then `tests`, in one namespace of a process of its own; an exception fails them."""
    with tempfile.TemporaryDirectory(prefix="distill-tests-") as folder:
        program = Path(folder) / "program.py"
        program.write_text(f"{code}\n\n{tests}\n", encoding="utf-8", errors="replace")
        command = [
            sys.executable,
            "-I",
            "-S",
            "-B",
            str(_CHILD),
            str(program),
            str(limits.time_s),
            str(limits.memory_mb),
        ]
        with (Path(folder) / "output").open("w+b") as said:
            child = subprocess.Popen(  # noqa: S603 our own interpreter and script
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd=folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"}, start_new_session=True,
            )  # fmt: skip
            code_returned = _wait(child, limits.time_s)
            said.seek(max(0, said.seek(0, os.SEEK_END) - _OUTPUT_BYTES))
            output = said.read().decode("utf-8", "replace").strip()
    return Ran(_outcome(code_returned, output), output)


def _wait(child: subprocess.Popen[bytes], time_s: float) -> int | None:
    """Wait for the child and end its whole group; None when its time was up."""
    try:
        return child.wait(time_s + 1.0)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _outcome(returned: int | None, output: str) -> Literal["passed", "failed", "timeout", "memory", "blocked"]:
    if returned is None or returned == -signal.SIGXCPU:
        return "timeout"
    if returned == 0:
        return "passed"
    last = output.rsplit("\n", 1)[-1]
    if "MemoryError" in last or returned == -signal.SIGKILL:
        return "memory"
    return "blocked" if "not allowed in a sandbox" in output else "failed"
