"""The teacher as the pipeline sees it: open it, check it, buy from it. One road for vendors and the rehearsal."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from distill.engine.interrupts import Interrupts, finish
from distill.errors import TeacherError, UsageError
from distill.records.completion import Completion
from distill.records.runtime import RuntimeConfig
from distill.teachers.batches.underway import UnderWay, read_under_way
from distill.teachers.budget import Account, Budget
from distill.teachers.call import Terms, Till
from distill.teachers.config import TeacherConfig
from distill.teachers.estimate import journal_url
from distill.teachers.journal import Journal, open_journal
from distill.teachers.journal.writer import GroupWriter
from distill.teachers.ledger import Ledger
from distill.teachers.lifecycle import Standing, check_terms, look, sunset_standing
from distill.teachers.prices import Price, find_price
from distill.teachers.protocol import Order, Progress, Transport
from distill.teachers.purchase import Purchase, Sink
from distill.teachers.rehearsal.process import rehearsal_process
from distill.teachers.replay import missing_completion, recorded_completion
from distill.teachers.requests import OPENAI_URL, limit_field, wants_key
from distill.teachers.throttle import Throttle

_PROGRESS_EVERY_S = 0.2
_KEYLESS = "EMPTY"
OnProgress = Callable[[Progress], None]
Client = Literal["wire", "openai"]
T = TypeVar("T")


class Teacher:
    """An open teacher; made by `open_teacher`."""

    def __init__(
        self, config: TeacherConfig, runtime: RuntimeConfig, journal: Journal, base_url: str, api_key: str,
        client: Client,
    ) -> None:  # fmt: skip
        self.config = config
        self.runtime = runtime
        self.journal = journal
        self.base_url = base_url
        self.ledger = Ledger()
        self.is_rehearsal = config.provider == "rehearsal"
        self._key = api_key
        self._client: Client = client
        self._price: Price | None = None

    @property
    def price(self) -> Price:
        """The price in force.

        Raises:
            TeacherError: of kind `price_unknown`.
        """
        if self._price is None:
            self._price = find_price(self.config)
        return self._price

    def check(self, *, training: bool = True) -> Standing:
        """Make sure of price, terms (when the answers are to be trained on), sunset, key and reach, spending nothing.

        Raises:
            TeacherError: the teacher cannot be used; `kind` says why.
        """
        if training:
            check_terms(self.config)
        sunset_standing(self.config, None, datetime.now(UTC).date())
        _ = self.price
        if self.config.provider == "replay":
            return Standing()
        return run_to_end(self._look())

    def buy(
        self,
        orders: Sequence[Order],
        *,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
        urgent: bool = False,
    ) -> list[Completion]:
        """Buy the answers to `orders`, in their order; one that cannot be had is a Completion with `error_kind`.

        `urgent` orders go out in realtime, also where the mode is batch.

        Raises:
            TeacherError: the teacher cannot be used (auth, quota, sunset, wrong model, price unknown, unreachable).
            BudgetExceededError: the next call could pass the budget; what was bought is in the journal.
            StoreError: the journal cannot be written.
        """
        completions: list[Completion | None] = [None] * len(orders)
        self.pour(orders, completions.__setitem__, budget=budget, on_progress=on_progress, total=len(orders),
                  urgent=urgent)  # fmt: skip
        missing = [order.id for order, completion in zip(orders, completions, strict=True) if completion is None]
        assert not missing, f"orders without a completion: {missing[:5]}"
        return [completion for completion in completions if completion is not None]

    def pour(
        self,
        orders: Iterable[Order],
        sink: Sink,
        *,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
        total: int | None = None,
        urgent: bool = False,
    ) -> None:
        """Buy the answers to any number of orders in bounded memory: each goes to `sink(index, completion)`.

        Raises:
            TeacherError: the teacher cannot be used.
            BudgetExceededError: the next call could pass the budget; what was bought is in the journal.
            StoreError: the journal cannot be written.
        """
        run_to_end(self.pour_beside(orders, sink, budget=budget, on_progress=on_progress, total=total, urgent=urgent))

    async def pour_beside(
        self,
        orders: Iterable[Order],
        sink: Sink,
        *,
        budget: Budget | None = None,
        on_progress: OnProgress | None = None,
        total: int | None = None,
        urgent: bool = False,
    ) -> None:
        """Buy as `pour` does, in an event loop that others may buy in at the same time.

        Raises:
            TeacherError: the teacher cannot be used.
            BudgetExceededError: the next call could pass the budget; what was bought is in the journal.
            StoreError: the journal cannot be written.
        """
        meter = _Meter(self.ledger, on_progress, total)
        counted = meter.wrap(sink)
        if self.config.provider == "replay":
            for index, order in enumerate(orders):
                key = order.request.key(order.sample)
                self.ledger.recorded += order.recorded is not None
                done = missing_completion if order.recorded is None else recorded_completion
                counted(index, done(order, key))
        else:
            purse = budget or Budget(self.config.budget_usd)
            waiting = read_under_way(self.journal, self.base_url)
            if self.config.mode == "batch" and not (urgent and not _any_waits(orders, waiting)):
                await self._pour_batches(orders, counted, purse)
            else:
                await self._pour(_refuse_waiting(orders, waiting) if waiting else orders, counted, purse)
        meter.report(force=True)

    async def _pour(self, orders: Iterable[Order], sink: Sink, budget: Budget) -> None:
        purchase = Purchase(self.runtime.concurrency, self.runtime.request_timeout_s)
        async with self._open_till(budget, lambda: purchase.stopping) as till:
            await purchase.run(orders, till, sink)
        self.ledger.outcome_unknown += self.journal.take_lost_calls()

    async def _pour_batches(self, orders: Iterable[Order], sink: Sink, budget: Budget) -> None:
        from distill.teachers.batches.purchase import BatchPurchase  # noqa: PLC0415  (the `openai` client, 1.5 s)
        from distill.teachers.batches.service import BatchService  # noqa: PLC0415  (likewise)

        async with self._open_till(budget, lambda: False) as till:
            service = BatchService(self.base_url, self._key, till.terms.secrets)
            try:
                await BatchPurchase(service, self.journal, self.base_url).run(orders, till, sink)
            finally:
                await service.close()

    @asynccontextmanager
    async def _open_till(self, budget: Budget, stopping: Callable[[], bool]) -> AsyncGenerator[Till]:
        """Open what the workers of a purchase share; at its end what is held of the budget is given back."""
        transport = self._connect()
        try:
            async with GroupWriter(self.journal) as writer:
                till = self._till(transport, writer, budget, stopping)
                try:
                    yield till
                finally:
                    await till.budget.leave()
        finally:
            await transport.close()

    def _till(self, transport: Transport, writer: GroupWriter, budget: Budget, stopping: Callable[[], bool]) -> Till:
        return Till(
            terms=self._terms(),
            transport=transport,
            writer=writer,
            throttle=Throttle(self.config.limits, self.runtime.concurrency),
            budget=Account(budget, writer),
            ledger=self.ledger,
            price=self.price,
            stopping=stopping,
        )

    async def _look(self) -> Standing:
        transport = self._connect()
        try:
            return await look(self.config, transport, (self._key,))
        finally:
            await transport.close()

    def _connect(self) -> Transport:
        if self._client == "openai":
            from distill.teachers.sdk import SdkTransport  # noqa: PLC0415  (1.5 s and 60 MB to import)

            return SdkTransport(self.base_url, self._key)
        from distill.teachers.wire import WireTransport  # noqa: PLC0415  (aiohttp, 0.3 s: not for cheap commands)

        return WireTransport(self.base_url, self._key, self.runtime.concurrency)

    def _terms(self) -> Terms:
        return Terms(
            attempt_timeout_s=self.runtime.request_timeout_s,
            deadline_s=self.runtime.request_deadline_s,
            limit=limit_field(self.base_url),
            allow_model_mismatch=self.config.allow_model_mismatch,
            structured_may_fall_back=self.config.structured == "auto",
            secrets=() if self._key == _KEYLESS else (self._key,),
        )


@contextmanager
def open_teacher(
    config: TeacherConfig,
    runtime: RuntimeConfig,
    *,
    task_labels: tuple[str, ...] | None = None,
    resolve: Path | None = None,
    client: Client = "wire",
) -> Generator[Teacher]:
    """Open the teacher; for `rehearsal` its server process is started and stopped with the context.

    `resolve` is the directory that relative `knowledge` paths start from. `client` chooses who carries the realtime
    calls: the thin path, or the `openai` client; both send the same bytes.

    Raises:
        TeacherError: of kind `auth`: the key is not set; of kind `connection`: the rehearsal did not start.
        StoreError: the journal cannot be opened.
        UsageError: `runtime.journal` is of an unknown kind.
    """
    key = _find_key(config)
    journal = open_journal(journal_url(runtime))
    try:
        if config.provider == "rehearsal":
            files = tuple((resolve or Path()) / name for name in config.knowledge)
            with rehearsal_process(config, files, labels=task_labels) as base_url:
                yield Teacher(config, runtime, journal, base_url, key, client)
        else:
            yield Teacher(config, runtime, journal, config.base_url or OPENAI_URL, key, client)
    finally:
        journal.close()


def _any_waits(orders: Iterable[Order], waiting: Sequence[UnderWay]) -> bool:
    return bool(waiting) and any(batch.holds(o.request.key(o.sample)) for o in orders for batch in waiting)


def _refuse_waiting(orders: Iterable[Order], waiting: Sequence[UnderWay]) -> Generator[Order]:
    """Pass orders on, but for those that a batch under way already pays for."""
    for order in orders:
        if order.recorded is None and _any_waits([order], waiting):
            raise UsageError(
                f"{order.id}: a batch that an earlier run left under way will answer this; run with teacher.mode: "
                f"batch to wait for it, or cancel it at the provider"
            )
        yield order


def _find_key(config: TeacherConfig) -> str:
    if config.provider != "openai":
        return _KEYLESS
    key = os.environ.get(config.api_key_env, "").strip()
    url = config.base_url or OPENAI_URL
    if not key and wants_key(url):
        host = urlsplit(url).hostname
        raise TeacherError(f"the variable {config.api_key_env} is not set: it must hold the key of {host}", kind="auth")
    return key or _KEYLESS


class _Meter:
    """Counts completions on their way to the sink and reports by time, not per item."""

    def __init__(self, ledger: Ledger, on_progress: OnProgress | None, total: int | None) -> None:
        self._ledger, self._on_progress, self._total = ledger, on_progress, total
        self._hits_before, self._usd_before = ledger.journal_hits, ledger.usd
        self._refused_before = ledger.refused_calls
        self._done = self._errors = 0
        self._last = 0.0

    def wrap(self, sink: Sink) -> Sink:
        def counted(index: int, completion: Completion) -> None:
            self._done += 1
            self._errors += completion.error_kind is not None
            sink(index, completion)
            self.report()

        return counted

    def report(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is None or not (force or now - self._last >= _PROGRESS_EVERY_S):
            return
        self._last = now
        ledger = self._ledger
        hits, refused = ledger.journal_hits - self._hits_before, ledger.refused_calls - self._refused_before
        usd = ledger.usd - self._usd_before
        self._on_progress(Progress(self._done, self._total, hits, self._errors, usd, refused))


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run it to the end, also where a loop already runs (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return finish(work)
    interrupts = Interrupts()
    with ThreadPoolExecutor(1) as pool:
        bought = pool.submit(interrupts.finish, work)
        try:
            return bought.result()
        except KeyboardInterrupt:
            interrupts.stop()  # the pool waits until what was under way is put away
            raise
