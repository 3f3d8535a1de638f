"""A purchase in batches: one journal with realtime, so a batch holds only what nobody has bought or is buying.

Each batch is noted before it is made. What is finished is stored before it is handed on; the rest goes into the next.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from distill.errors import TeacherError
from distill.records.completion import Completion, Usage
from distill.teachers.batches.lines import MOST_BYTES, MOST_REQUESTS, Line, read_lines, write_line
from distill.teachers.batches.service import Batch, BatchService
from distill.teachers.batches.underway import MINDED_S, UnderWay, begin, new_owner, read_batches
from distill.teachers.call import Till, completion_of_entry, failed_completion, falls_back, understand, worst_usd
from distill.teachers.failures import FATAL_KINDS, redact, redact_bytes
from distill.teachers.journal import Journal
from distill.teachers.journal.protocol import Answer, Attempt, Entry, Failure, Intent, Release
from distill.teachers.protocol import Order
from distill.teachers.purchase import Sink
from distill.teachers.replay import recorded_completion
from distill.teachers.retry import is_worth_retrying
from distill.teachers.tokens import estimated_usage

_FIRST_POLL_S, _MOST_POLL_S = 1.0, 60.0
_MOST_SENDS = 4
_RENEW_S = MINDED_S / 4


class _Place(NamedTuple):
    place: int
    order: Order


class BatchPurchase:
    """One run over orders. `journal` is read for batches that an earlier run left under way."""

    def __init__(self, service: BatchService, journal: Journal, base_url: str) -> None:
        self._service, self._journal, self._base_url = service, journal, base_url
        self._owner = new_owner()
        self._asks: dict[str, list[_Place]] = {}
        self._orders: dict[str, Order] = {}
        self._sends: Counter[str] = Counter()
        self._failures: Counter[tuple[str, str]] = Counter()
        self._todo: list[str] = []
        self._held: list[str] = []
        self._parked: list[str] = []
        """Claimed here, but maybe in a batch that another process minds: it brings the answer."""
        self._claimed: set[str] = set()
        self._under_way: list[UnderWay] = []
        self._elsewhere: list[UnderWay] = []

    async def run(self, orders: Iterable[Order], till: Till, sink: Sink) -> None:
        """Buy every order and hand its completion to `sink(index, completion)`; a batch left under way is waited for.

        Raises:
            TeacherError: a batch was refused or cancelled, or a failure that every other order would meet as well.
            BudgetExceededError: the next request could pass the budget, and nothing under way can change that.
            StoreError: the journal cannot be written.
        """
        try:
            self._gather(orders, till, sink)
            await self._claim(list(self._asks), till, sink)
            await self._look_around(till, sink)
            pause_s = _FIRST_POLL_S
            while self._todo or self._held or self._parked or self._under_way:
                while self._todo and await self._submit(till):
                    pause_s = _FIRST_POLL_S
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _MOST_POLL_S)
                for batch in list(self._under_way):
                    await self._tend(batch, till, sink)
                await self._claim(self._held, till, sink)
                await self._look_around(till, sink)
        finally:
            await self._leave(till)

    def _gather(self, orders: Iterable[Order], till: Till, sink: Sink) -> None:
        for place, order in enumerate(orders):
            key = order.request.key(order.sample)
            if order.recorded is not None:
                till.ledger.recorded += 1
                sink(place, recorded_completion(order, key))
            else:
                self._asks.setdefault(key, []).append(_Place(place, order))
                self._orders[key] = order

    async def _claim(self, keys: list[str], till: Till, sink: Sink) -> None:
        """Claim what is still asked for: hits are handed on, claims parked, what others are buying is held."""
        self._held, keys = [], [key for key in keys if self._asks[key]]
        intents = [Intent(key, self._orders[key].sample, self._orders[key].request) for key in keys]
        results = await till.writer.write(*intents) if intents else []
        for key, result in zip(keys, results, strict=True):
            if isinstance(result, Entry):
                self._hand_on_hit(key, result, till, sink)
            elif result == "claimed":
                self._parked.append(key)
                self._claimed.add(key)
            else:
                self._held.append(key)

    async def _look_around(self, till: Till, sink: Sink) -> None:
        """Mind the batches that nobody minds; of the claimed keys, leave those in other batches to their minders."""
        mine = {batch.token for batch in self._under_way}
        found = [batch for batch in read_batches(self._journal, self._base_url) if batch.token not in mine]
        self._elsewhere = []
        for batch in found:
            adopted = batch.is_free and await self._mind(batch, till)
            (self._under_way if adopted else self._elsewhere).append(batch)
        claimed = [key for key in self._parked if not any(batch.holds(key) for batch in self._under_way)]
        self._parked, loose = [], list[str]()
        for key in claimed:
            (self._parked if any(batch.holds(key) for batch in self._elsewhere) else loose).append(key)
        stored = self._journal.lookup(loose)  # after the notes: what a batch brought was stored before its note went
        self._todo += [key for key in loose if key not in stored]
        for key in stored:
            self._hand_on_hit(key, stored[key], till, sink)

    async def _mind(self, batch: UnderWay, till: Till) -> bool:
        """Say in the journal that this process minds a batch; False where another one does by now."""
        swap = batch.mind(self._owner)
        (result,) = await till.writer.write(swap)
        if result == "claimed":
            batch.noted = swap.new
        return result == "claimed"

    async def _submit(self, till: Till) -> bool:
        """Make a batch of as much as limits and budget take; False where the budget first needs something back.

        Raises:
            BudgetExceededError: not one more request fits, and nothing is under way that could give back.
            TeacherError: the provider refuses the batch, or one request is larger than a batch may be.
        """
        lines, worst = await self._fill(till)
        if not lines:
            waited_for = (*self._under_way, *self._elsewhere)
            if any(batch.worst_usd for batch in waited_for if batch.purse == till.budget.purse):
                return False
            worst = worst_usd(self._orders[self._todo[0]].request, till) * till.price.batch_factor
            await till.budget.reserve(worst)
            till.budget.settle(worst, 0.0)
            return True
        chunk = self._todo[: len(lines)]
        await till.budget.reserve(worst)
        batch = begin(self._base_url, chunk, worst, till.shape, till.budget.purse)
        try:
            await till.writer.write(batch.note(self._owner), *batch.set_aside(worst))
            till.budget.settle(worst, worst)
            batch.id = (await self._service.create(await self._service.upload(b"".join(lines)), batch.token)).id
            is_ours = await self._mind(batch, till)
        except TeacherError as error:
            if error.status is not None:  # refused: there is no batch to look for
                await till.writer.write(batch.forget(), *batch.set_aside(-worst))
            raise
        self._todo = self._todo[len(chunk) :]
        self._sends.update(chunk)
        self._under_way.append(batch)
        if not is_ours:
            self._lose(batch)
        return True

    async def _fill(self, till: Till) -> tuple[list[bytes], float]:
        """Write lines as long as they fit; returns them with their worst cost."""
        lines: list[bytes] = []
        chosen = self._todo[:MOST_REQUESTS]
        bounds = [worst_usd(self._orders[key].request, till) * till.price.batch_factor for key in chosen]
        size, worst, room = 0, 0.0, await till.budget.room_usd(sum(bounds))
        for key, bound in zip(chosen, bounds, strict=True):
            line = write_line(key, self._orders[key], till.terms.limit, till.shape)
            if len(line) > MOST_BYTES:
                raise TeacherError(
                    f"{self._orders[key].id}: the request is larger than a batch may be", kind="bad_request"
                )
            if size + len(line) > MOST_BYTES or worst + bound > room:
                break
            lines.append(line)
            size, worst = size + len(line), worst + bound
        return lines, worst

    async def _tend(self, batch: UnderWay, till: Till, sink: Sink) -> None:
        """Look at a batch; when it is over, and still this process's, store and hand on what it brought."""
        found = await (self._service.find(batch.token) if batch.id is None else self._service.look(batch.id))
        working = found is not None and found.state == "working"
        batch.id = found.id if found is not None and working else batch.id
        if not await self._mind(batch, till):
            self._lose(batch)
            return
        if working:
            return
        files = [await self._service.fetch(file) for file in (() if found is None else found.files)]
        lines = {line.key: line for file in files for line in read_lines(file)}
        stored = self._journal.lookup(lines)
        minded_at_s = time.monotonic()
        for key, line in lines.items():
            if time.monotonic() - minded_at_s > _RENEW_S:
                minded_at_s = time.monotonic()
                if not await self._mind(batch, till):
                    self._lose(batch)
                    return
            if key not in stored:
                await self._take(line, batch, till, sink)
            elif key in self._asks:
                self._hand_on(key, completion_of_entry(self._orders[key], stored[key]), sink)
        for key in [key for key in self._asks if batch.holds(key) and key not in lines]:
            error = TeacherError("the batch ended before this request's turn", kind="timeout")
            await self._again(key, error, batch, till, sink)
        await till.writer.write(batch.forget(), *batch.set_aside(-batch.worst_usd))
        till.budget.settle(0.0, 0.0)
        self._under_way.remove(batch)
        if found is not None:
            _raise_if_over(found, len(lines))

    def _lose(self, batch: UnderWay) -> None:
        """Leave a batch to the process that took it over while this one was silent."""
        self._under_way.remove(batch)
        self._elsewhere.append(batch)
        self._parked += [key for key in self._asks if self._asks[key] and key in self._claimed and batch.holds(key)]

    async def _take(self, line: Line, batch: UnderWay, till: Till, sink: Sink) -> None:
        """Store one line's answer, or what became of it."""
        order = self._orders.get(line.key)
        if line.reply is None:
            error = TeacherError(redact(line.problem or "no response", till.terms.secrets), kind="overloaded")
            await self._again(line.key, error, batch, till, sink)
            return
        reading, error = understand(line.reply, None if order is None else order.request.model, till.terms)
        text = reading.text + (reading.rationale or "")
        usage = reading.usage or (Usage() if order is None else estimated_usage(order.request, text))
        spent = till.price.cost(usage, batch=True) if line.reply.status == 200 else 0.0
        till.ledger.attempts += 1
        if error is not None:
            till.ledger.waste(error.kind, spent, answered=True)
            words, status = redact(str(error), till.terms.secrets), line.reply.status
            attempt = Attempt(line.key, time.time(), 0.0, status, error.kind, words, spent, line.request_id)
            till.writer.write(attempt, *batch.set_aside(spent))
            await self._again(line.key, error, batch, till, sink)
            return
        till.ledger.book(usage, till.price, batch=True)
        till.ledger.models_served[reading.model_served] += 1
        answer = Answer(line.key, redact_bytes(line.reply.body, till.terms.secrets), reading.model_served,
                        line.request_id or reading.request_id, reading.fingerprint, usage, spent, 0.0,
                        max(1, self._sends[line.key]), batch=True,
                        shape_sent=None if batch.shape == "asked" else batch.shape)  # fmt: skip
        attempt = Attempt(line.key, time.time(), 0.0, 200, None, None, spent, line.request_id)
        await till.writer.write(attempt, answer, *batch.set_aside(spent))
        if order is not None:
            self._hand_on(line.key, completion_of_entry(order, Entry(line.key, answer, None)), sink)

    async def _again(self, key: str, error: TeacherError, batch: UnderWay, till: Till, sink: Sink) -> None:
        """Put a request that brought no answer into the next batch, or end it as a counted failure."""
        if not self._asks.get(key):
            return
        order = self._orders[key]
        self._failures[key, error.kind] += 1
        if error.kind in FATAL_KINDS or error.kind == "auth":
            raise error
        worth = is_worth_retrying(error, self._failures[key, error.kind]) and self._sends[key] < _MOST_SENDS
        if falls_back(error, order.request, till, batch.shape) or worth:
            if key in self._claimed:
                self._todo.append(key)
            return
        failure = Failure(key, error.kind, redact(str(error), till.terms.secrets), max(1, self._sends[key]))
        await till.writer.write(failure)
        till.ledger.errors[error.kind] += len(self._asks[key])
        self._hand_on(key, failed_completion(order, failure), sink)

    def _hand_on_hit(self, key: str, entry: Entry, till: Till, sink: Sink) -> None:
        if not self._asks[key]:
            return
        till.ledger.journal_hits += len(self._asks[key])
        completion = completion_of_entry(self._orders[key], entry)
        till.ledger.hits_usd += completion.cost_usd or 0.0
        self._hand_on(key, completion, sink)

    def _hand_on(self, key: str, completion: Completion, sink: Sink) -> None:
        """Hand one answer to every order that asked for it."""
        for place, order in self._asks[key]:
            sink(place, replace(completion, id=order.id, sample=order.sample))
        self._asks[key] = []

    async def _leave(self, till: Till) -> None:
        """Leave batches under way for the next purchase, and give back what was claimed."""
        held = [key for key in self._asks if any(batch.holds(key) for batch in self._under_way)] + self._parked
        now = time.time()
        sent = [Attempt(key, now, 0.0, None, "cut_off", None, None, None) for key in held if self._asks[key]]
        notes = [batch.mind(self._owner, minded=False) for batch in self._under_way]
        if sent or notes or self._todo:
            await till.writer.write(*sent, *notes, Release((*self._todo, *(attempt.key for attempt in sent))))


def _raise_if_over(batch: Batch, kept: int) -> None:
    if batch.state == "failed":
        raise TeacherError(f"the provider refused batch {batch.id}: {batch.problem or 'no reason given'}",
                           kind="bad_request")  # fmt: skip
    if batch.state == "cancelled":
        raise TeacherError(f"batch {batch.id} was cancelled at the provider; the {kept} answers it brought are kept: "
                           f"run again to buy the rest", kind="overloaded")  # fmt: skip
