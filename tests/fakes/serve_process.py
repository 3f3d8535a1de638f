"""`distill serve` as a process of its own, in front of a student that an upstream of the test plays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distill.students.config import StudentConfig
from distill.students.manifest import StudentManifest, write_manifest
from distill.tasks.config import TaskConfig

TASK = TaskConfig(output="label", labels=("refund", "delivery"), user="{{ text }}", system="You route.")


def make_student(directory: Path, threshold: float | None = None) -> Path:
    """A student's description; whoever is upstream answers for it."""
    directory.mkdir(parents=True, exist_ok=True)
    config = StudentConfig(kind="classifier", base={"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 512})
    thresholds = {} if threshold is None else {"fallback": {"threshold": threshold}}
    manifest = StudentManifest("classifier", TASK, config, {"name": "tiny"}, TASK.labels or (), thresholds=thresholds)
    write_manifest(directory, manifest)
    return directory


class Served:
    """A running gateway: where it listens, and everything it has written to stderr so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.lines = process, list[str]()
        self._listens = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"stderr of {process.pid}")
        self._reader.start()
        if not self._listens.wait(120) or not self.url:
            raise AssertionError("the gateway did not start:\n" + self.text)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"http://[0-9.]+:\d+(?=/v1)", line) if "listening" in line else None
            if found:
                self.url = found.group()
                self._listens.set()
        self._listens.set()


@contextmanager
def serving(state_dir: Path, *arguments: object, **environment: str) -> Iterator[Served]:
    """Run `distill serve production` with more arguments until the block ends."""
    command = [sys.executable, "-m", "distill", "serve", "production", "--port", "0", "--state-dir", str(state_dir)]
    process = subprocess.Popen(
        [*command, *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )  # fmt: skip
    try:
        yield Served(process)
    finally:
        process.kill()
        process.wait()
        if reading := next((t for t in threading.enumerate() if t.name == f"stderr of {process.pid}"), None):
            reading.join(10)
        assert process.stderr is not None
        process.stderr.close()
