"""A purchase: orders in, completions out, `concurrency` in flight, every answer on the disk before it is handed on."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from distill.records.completion import Completion
from distill.teachers.call import Bought, Stopped, Till, buy_one, completion_of_entry
from distill.teachers.journal.protocol import Entry, Flight, Intent, Release
from distill.teachers.protocol import Order
from distill.teachers.replay import recorded_completion

Sink = Callable[[int, Completion], None]
_CLAIM_BATCH = 64
_HELD_POLL_S = 0.05
_HELD_POLL_MAX_S = 1.0
_INTERRUPT_GRACE_S = 1.2


class _Wanted(NamedTuple):
    place: int
    order: Order
    key: str


class _Landed(NamedTuple):
    place: int
    bought: Bought


class Purchase:
    """One run over orders. `stopping` turns True when it is to end early; calls in flight still land.

    A worker sends its next request when the journal has the last answer: a killed process sends again at most what was
    in flight. The answers wait for the disk beside that, as many as there are workers at most.
    """

    def __init__(self, concurrency: int, grace_s: float) -> None:
        self.stopping = False
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._name = uuid.uuid4().hex
        self._queue: asyncio.Queue[_Wanted | None] = asyncio.Queue(2 * _CLAIM_BATCH)
        self._landed: asyncio.Queue[_Landed | None] = asyncio.Queue(concurrency)
        self._owed: set[str] = set()
        """Keys that this purchase may hold a claim on: asked for, and neither settled nor known to be another's."""

    async def run(self, orders: Iterable[Order], till: Till, sink: Sink) -> None:
        """Buy every order and hand its completion to `sink(index, completion)`, in the order of arrival.

        Raises:
            TeacherError: a failure that every other order would meet as well.
            BudgetExceededError: the next call could pass the budget.
            StoreError: the journal cannot be written.
        """
        till.writer.post(Flight(self._name, self._concurrency))  # in the journal before a claim is
        try:
            await self._run(orders, till, sink)
        finally:
            till.writer.post(Flight(self._name, 0))

    async def _run(self, orders: Iterable[Order], till: Till, sink: Sink) -> None:
        tasks = [asyncio.create_task(self._feed(orders, till, sink))]
        tasks += [asyncio.create_task(self._work(till)) for _ in range(self._concurrency)]
        tasks.append(asyncio.create_task(self._hand_on(till, sink)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            error = next((task.exception() for task in done if task.exception() is not None), None)
        except asyncio.CancelledError:
            await self._stop(tasks, till, _INTERRUPT_GRACE_S)
            raise
        if error is not None:
            await self._stop(tasks, till, self._grace_s)
            raise error

    async def _feed(self, orders: Iterable[Order], till: Till, sink: Sink) -> None:
        held: list[_Wanted] = []
        for chunk in _chunks(orders):
            held += await self._claim(_hand_on_recorded(chunk, till, sink), till, sink)
        pause = _HELD_POLL_S
        while held:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _HELD_POLL_MAX_S)
            held = await self._claim(held, till, sink)
        for _ in range(self._concurrency):
            await self._queue.put(None)

    async def _claim(self, wanted: Sequence[_Wanted], till: Till, sink: Sink) -> list[_Wanted]:
        """Claim in the journal; hits are handed on, claims queued, what others are buying is returned."""
        if not wanted:
            return []
        fresh = {want.key for want in wanted} - self._owed
        self._owed |= fresh  # before the claim is written: an interrupt may come while it is
        intents = [Intent(want.key, want.order.sample, want.order.request) for want in wanted]
        results = await till.writer.write(*intents)
        mine = [want for want, result in zip(wanted, results, strict=True) if result == "claimed"]
        self._owed -= fresh - {want.key for want in mine}
        for want, result in zip(wanted, results, strict=True):
            if isinstance(result, Entry):
                till.ledger.journal_hits += 1
                completion = completion_of_entry(want.order, result)
                till.ledger.hits_usd += completion.cost_usd or 0.0
                sink(want.place, completion)
        for want in mine:
            await self._queue.put(want)
        return [want for want, result in zip(wanted, results, strict=True) if result == "held"]

    async def _work(self, till: Till) -> None:
        while (want := await self._queue.get()) is not None:
            if self.stopping:
                raise Stopped
            bought = await buy_one(want.order, want.key, till)
            self._owed.discard(want.key)
            await self._landed.put(_Landed(want.place, bought))
        await self._landed.put(None)

    async def _hand_on(self, till: Till, sink: Sink) -> None:
        """Hand on what is on the disk, in the order of arrival, until every worker has ended."""
        for _ in range(self._concurrency):
            while (landed := await self._landed.get()) is not None:
                await landed.bought.durable
                completion = landed.bought.completion
                if completion.error_kind is not None:
                    till.ledger.errors[completion.error_kind] += 1
                sink(landed.place, completion)

    async def _stop(self, tasks: list[asyncio.Task[None]], till: Till, grace_s: float) -> None:
        """Send nothing more, let what is in flight land, then give back what was not sent."""
        self.stopping = True
        tasks[0].cancel()
        ends = asyncio.get_running_loop().time() + grace_s
        while till.throttle.in_flight and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05 if grace_s else 0)  # what just landed is being stored
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._owed:
            await till.writer.write(Release(tuple(sorted(self._owed))))


def _chunks(orders: Iterable[Order]) -> Iterator[list[_Wanted]]:
    source = enumerate(orders)
    while batch := list(islice(source, _CLAIM_BATCH)):
        yield [_Wanted(index, order, order.request.key(order.sample)) for index, order in batch]


def _hand_on_recorded(chunk: list[_Wanted], till: Till, sink: Sink) -> list[_Wanted]:
    """Hand on answers that came with their orders; returns the orders that still want one."""
    for want in chunk:
        if want.order.recorded is not None:
            till.ledger.recorded += 1
            sink(want.place, recorded_completion(want.order, want.key))
    return [want for want in chunk if want.order.recorded is None]


__all__ = ["Purchase", "Sink", "Stopped"]
