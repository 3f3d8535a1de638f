"""An event loop whose clock only moves when nobody has anything to do: minutes of waiting run in milliseconds.

`stalls` are times (start, length, in seconds) at which the process that runs the loop stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self, stalls: Sequence[tuple[float, float]]) -> None:
        super().__init__()
        self.now = 0.0
        self._stalls = sorted(stalls)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for something that no timer will bring")
        self.now += max(timeout, 0.0)
        while self._stalls and self._stalls[0][0] <= self.now:
            start, length = self._stalls.pop(0)
            self.now = max(self.now, start + length)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` is virtual and starts at 0."""

    def __init__(self, stalls: Sequence[tuple[float, float]] = ()) -> None:
        self._virtual = _Selector(stalls)
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run_virtually(work: Coroutine[Any, Any, T], stalls: Sequence[tuple[float, float]] = ()) -> T:
    """Run a coroutine to its end on a virtual clock."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(stalls)) as runner:
        return runner.run(work)
