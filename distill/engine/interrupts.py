"""Ctrl-C and SIGTERM: noticed wherever they arrive, told once, and never lost.

Python raises KeyboardInterrupt between any two bytecodes of the main thread. A finaliser or an `except` that takes
everything can swallow it there, so what came is kept: whoever can stop at this point asks `check`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_DOUBLE_S = 0.5
"""A second signal this soon is the first one again: a terminal and a launcher both pass Ctrl-C on."""
_AGAIN_S = 0.05
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """What the process was asked to end by, while `catch` is in force.

    The first signal raises KeyboardInterrupt, or cancels the coroutine that `finish` runs. A second one, later than a
    double knock, ends the process at once: everything that is kept is kept as after a SIGKILL.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._at_s = 0.0
        self._softly: Callable[[], object] | None = None
        self._lost = False
        self._closed = False
        self._taken: list[int] = []

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells count; of Ctrl-C where nothing was noted."""
        return 128 + (self.received or signal.SIGINT)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; Python calls this in the main thread.

        Raises:
            KeyboardInterrupt: it is the first one, and no coroutine can be cancelled instead.
        """
        del frame
        if self._closed:
            return
        now_s = time.monotonic()
        if self.received is not None and not self._lost:
            if now_s - self._at_s >= _DOUBLE_S:
                _leave_at_once(self.exit_code)
            return
        self.received, self._at_s, self._lost = self.received or number, now_s, False
        if self._softly is not None:
            self._softly()
        else:
            raise KeyboardInterrupt

    def take(self, numbers: Iterable[int]) -> None:
        """Take these signals, here and whenever `take_again` says so."""
        self._taken = list(numbers)
        self.take_again()

    def take_again(self) -> None:
        """Take the signals back from a library that has taken them."""
        for number in self._taken:
            signal.signal(number, self.handle)

    def check(self) -> None:
        """Stop here if a signal came; within `finish` do nothing, for there it was a cancellation.

        Raises:
            KeyboardInterrupt: it did, and whoever should have ended did not.
        """
        if self.received is not None and self._softly is None:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """End what `finish` runs in another thread, as a signal would."""
        self.received = signal.SIGINT
        if self._softly is not None:
            self._softly()

    def close(self) -> None:
        """Take no more signals: the exit code is known, and all that is left is to end."""
        self._closed = True
        # Python dies of SIGINT at its end if the last text it ran as code was cut off by one: run another.
        eval("0")  # noqa: S307  # nosec B307

    def send_again(self) -> None:
        """Raise once more, a moment later, what a finaliser has swallowed."""
        number, main = self.received, threading.main_thread().ident
        if number is None or main is None:
            return
        self._lost = True
        timer = threading.Timer(_AGAIN_S, signal.pthread_kill, (main, number))
        timer.daemon = True
        timer.start()

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine; a signal cancels it, so that it can put away what it holds.

        Raises:
            KeyboardInterrupt: a signal came, whatever the coroutine made of its cancellation.
        """
        import asyncio  # noqa: PLC0415  (0.1 s, and this module is loaded before anything else)

        self._softly = _do_nothing
        try:
            with asyncio.Runner() as runner:
                return runner.run(self._cancellable(work))
        except asyncio.CancelledError:
            if self.received is None:
                raise
            raise KeyboardInterrupt from None
        finally:
            self._softly = None
            self.check()

    async def _cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        import asyncio  # noqa: PLC0415  (likewise)

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._softly = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if self.received is not None:
                work.close()
                raise asyncio.CancelledError
            return await work
        finally:
            self._softly = _do_nothing


_caught: list[Interrupts] = []
"""The one in force, if any: signals belong to the process."""


@contextmanager
def catch(*, ends_process: bool = False) -> Generator[Interrupts]:
    """Take Ctrl-C and SIGTERM until the context ends; within another `catch`, give that one's.

    A signal that the parent has set to be ignored stays ignored, as shells do for jobs in the background. Under a
    launcher of several processes SIGTERM keeps its default: a process that waits for another cannot notice it. With
    `ends_process` a Ctrl-C after the context no longer changes the exit code.
    """
    if _caught or threading.current_thread() is not threading.main_thread():
        yield _caught[0] if _caught else Interrupts()
        return
    interrupts = Interrupts()
    _caught.append(interrupts)
    wanted = [signal.SIGINT] if "WORLD_SIZE" in os.environ else [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.getsignal(number) for number in wanted}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    hook = sys.unraisablehook
    try:
        interrupts.take(taken)
        sys.unraisablehook = _Watch(interrupts, hook)
        yield interrupts
    finally:
        sys.unraisablehook = hook
        for number in taken:
            is_over = ends_process and number == signal.SIGINT
            signal.signal(number, signal.SIG_IGN if is_over else before[number])
        _caught.clear()


def check() -> None:
    """Stop here if a signal came; outside `catch` do nothing.

    Raises:
        KeyboardInterrupt: it did.
    """
    if _caught:
        _caught[0].check()


def take_again() -> None:
    """Take back, in the main thread, the signals that a library has taken for itself; outside `catch` do nothing."""
    if _caught and threading.current_thread() is threading.main_thread():
        _caught[0].take_again()


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C cancels it, and is raised when it has put away what it holds.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    return (_caught[0] if _caught else Interrupts()).finish(work)


class _Watch:
    """Sees an interrupt that Python could not raise, because it arrived within a finaliser."""

    def __init__(self, interrupts: Interrupts, hook: Callable[[Any], object]) -> None:
        self._interrupts, self._hook = interrupts, hook

    def __call__(self, unraisable: Any) -> None:  # noqa: ANN401  (sys.UnraisableHookArgs is no class at run time)
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            self._interrupts.send_again()
        else:
            self._hook(unraisable)


def _do_nothing() -> None:
    """The signal is noted; it is looked for when the loop is closed."""


def _leave_at_once(code: int) -> None:
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os.write(2, b"distill: stopped at once; run the same command again to resume\n")
    os._exit(code)
