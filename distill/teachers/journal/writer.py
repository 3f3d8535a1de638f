"""Group commit: one thread commits for all coroutines and another waits for the disk, so an fsync serves everyone."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from distill.teachers.journal.owner import LEASE_S
from distill.teachers.journal.protocol import Journal, Result, Write

_BEAT_S = LEASE_S / 4
_SWITCH_S = 0.0005
"""How long the event loop may keep Python's lock from a thread that has a commit to make. Python's own 5 ms is as long
as the commit itself, and a request waits for it; it costs the loop nothing that a benchmark shows."""
Results = list[Result]
T = TypeVar("T")


class Posted(NamedTuple):
    """What becomes of writes; both raise `StoreError` when the journal cannot be written.

    `written` resolves when a killed process no longer loses them, `durable` when a power cut does not either. Durable
    ones resolve in the order of their writes.
    """

    written: asyncio.Future[Results]
    durable: asyncio.Future[Results]


class _Job(NamedTuple):
    writes: Sequence[Write]
    posted: Posted


class _Done(NamedTuple):
    """Jobs that were committed, with the results of their writes in a row."""

    jobs: list[_Job]
    results: Results


class Hurry:
    """Python's switch interval, which is the process's: short from the first writer's start to the last one's end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers = 0
        self._usual_s = 0.0

    def begin(self) -> None:
        with self._lock:
            if self._writers == 0:
                self._usual_s = sys.getswitchinterval()
            self._writers += 1
            sys.setswitchinterval(min(_SWITCH_S, sys.getswitchinterval()))

    def end(self) -> None:
        with self._lock:
            self._writers -= 1
            if self._writers == 0:
                sys.setswitchinterval(self._usual_s)


_HURRY = Hurry()


class GroupWriter:
    """The journal's one writer within a running event loop; leaving it waits until all is on the disk."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._committed: queue.SimpleQueue[_Done | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=work, name=f"journal-{name}", daemon=True)
            for name, work in (("writer", self._write_all), ("sync", self._sync_all))
        ]

    async def __aenter__(self) -> Self:
        _HURRY.begin()
        for thread in self._threads:
            thread.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:  # fmt: skip
        self._jobs.put(None)
        try:
            for thread in self._threads:
                await asyncio.to_thread(thread.join)
        finally:
            _HURRY.end()

    def write(self, *writes: Write) -> asyncio.Future[Results]:
        """Queue writes; the future resolves when they are durable.

        The future raises `StoreError` when the journal cannot be written.
        """
        return self.post(*writes).durable

    def post(self, *writes: Write) -> Posted:
        """Queue writes, for a caller that goes on when they are written and waits for the disk later."""
        posted = Posted(self._loop.create_future(), self._loop.create_future())
        self._jobs.put(_Job(writes, posted))
        return posted

    def _write_all(self) -> None:
        last_beat = time.monotonic()
        open_ = True
        try:
            while open_:
                jobs, open_ = _take(self._jobs)
                try:
                    if time.monotonic() - last_beat > _BEAT_S:
                        self._journal.beat()
                        last_beat = time.monotonic()
                    self._commit(jobs)
                except Exception as error:  # noqa: BLE001  (it belongs to those who wait, in the other thread)
                    self._tell(_fail, jobs, error)
        finally:
            self._committed.put(None)

    def _commit(self, jobs: list[_Job]) -> None:
        if jobs:
            results = self._journal.apply([write for job in jobs for write in job.writes], durable=False)
            done = _Done(jobs, results)
            self._committed.put(done)
            self._tell(_resolve, [job.posted.written for job in jobs], done)

    def _sync_all(self) -> None:
        open_ = True
        while open_:
            dones, open_ = _take(self._committed)
            try:
                if dones:
                    self._journal.sync()
            except Exception as error:  # noqa: BLE001  (likewise)
                self._tell(_fail, [job for done in dones for job in done.jobs], error)
            else:
                for done in dones:
                    self._tell(_resolve, [job.posted.durable for job in done.jobs], done)

    def _tell(self, what: Callable[..., None], *about: object) -> None:
        self._loop.call_soon_threadsafe(what, *about)


def _take(waiting: queue.SimpleQueue[T | None]) -> tuple[list[T], bool]:
    """Wait for work, then take all there is; the flag is False when the thread is to end."""
    taken: list[T] = []
    try:
        item = waiting.get(timeout=_BEAT_S)
        while item is not None:
            taken.append(item)
            item = waiting.get_nowait()
    except queue.Empty:
        return taken, True
    return taken, False


def _resolve(futures: list[asyncio.Future[Results]], done: _Done) -> None:
    start = 0
    for future, job in zip(futures, done.jobs, strict=True):
        end = start + len(job.writes)
        if not future.done():
            future.set_result(done.results[start:end])
        start = end


def _fail(jobs: list[_Job], error: Exception) -> None:
    for future in (future for job in jobs for future in job.posted):
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller may wait for one of the two only
