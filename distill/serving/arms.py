"""The versions at hand: the one that serves and, during a trial, the canary; a stable key decides who gets which."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from distill.serving.batching import Batcher
from distill.serving.config import ServeConfig
from distill.serving.students import LoadedStudent
from distill.serving.upstream import StudentEngine
from distill.tasks import Task, make_task

Side = Literal["main", "canary"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One version with what answers for it."""

    student: LoadedStudent
    engine: StudentEngine
    task: Task
    side: Side = "main"

    @property
    def version(self) -> str:
        """`channel@version`."""
        return self.student.version


class Arms:
    """The version that serves and the canary beside it; belongs to one event loop."""

    def __init__(self, student: LoadedStudent, config: ServeConfig, engine: StudentEngine | None = None) -> None:
        """Take the first version; `engine` answers for every version when students are served elsewhere."""
        self._config, self._given = config, engine
        self.main = self._make(student, "main")
        self.canary: Arm | None = None
        self.share = 0.0

    def pick(self, key: str) -> Arm:
        """Return the version for a key: the same key always gets the same one while a trial lasts."""
        if self.canary is None or draw(f"{self.canary.version}\n{key}") >= self.share:
            return self.main
        return self.canary

    def other(self, arm: Arm) -> Arm | None:
        """Return the version that an answer is compared with, while there is a trial."""
        return None if self.canary is None else self.main if arm is self.canary else self.canary

    async def swap(self, student: LoadedStudent) -> None:
        """Give new requests to `student`; those under way end with the old one. A canary of that student ends."""
        old = self.main
        self.main = self._make(student, "main")
        await self._let_go(old)

    async def start_canary(self, student: LoadedStudent, share: float) -> None:
        """Give a share of the keys to `student`."""
        old = self.canary
        self.canary, self.share = self._make(student, "canary"), share
        if old is not None:
            await self._let_go(old)

    async def end_canary(self) -> None:
        """Give all keys to the version that serves; the canary's requests under way end with it."""
        old, self.canary, self.share = self.canary, None, 0.0
        if old is not None:
            await self._let_go(old)

    async def close(self) -> None:
        """Finish what is under way."""
        await self.end_canary()
        await self.main.engine.close()

    async def _let_go(self, arm: Arm) -> None:
        if arm.engine is not self._given:
            await arm.engine.close()

    def _make(self, student: LoadedStudent, side: Side) -> Arm:
        if self._given is not None:
            return Arm(student, self._given, make_task(student.task), side)
        if student.predictor is None:
            raise ValueError(f"{student.version} has no predictor and no upstream")
        batcher = Batcher(student.predictor, self._config.max_batch, self._config.max_wait_ms)
        return Arm(student, batcher, make_task(student.task), side)


def draw(key: str) -> float:
    """Return a number in [0, 1) that is uniform over keys and always the same for one."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
