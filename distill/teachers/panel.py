"""The teachers of a run as one seller: checked together, asked at the same time, one budget over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distill.errors import DistillError
from distill.records.completion import Completion
from distill.records.runtime import RuntimeConfig
from distill.teachers.budget import Budget
from distill.teachers.config import TeacherConfig
from distill.teachers.ledger import Ledger, add_ledgers
from distill.teachers.lifecycle import Standing
from distill.teachers.protocol import Order, Progress
from distill.teachers.session import OnProgress, Teacher, open_teacher, run_to_end


class Panel:
    """Open teachers, the reference teacher first; made by `open_panel`."""

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = tuple(teachers)

    @property
    def ledger(self) -> Ledger:
        """What all of them were paid."""
        return add_ledgers(teacher.ledger for teacher in self.teachers)

    def check(self) -> list[Standing]:
        """Make sure of every teacher before any of them is paid.

        Raises:
            TeacherError: one cannot be used; `kind` says why.
        """
        return [teacher.check() for teacher in self.teachers]

    def buy(
        self, orders: Sequence[Sequence[Order]], *, budget: Budget, on_progress: OnProgress | None = None
    ) -> list[list[Completion]]:
        """Buy each teacher's own orders, from all at the same time; the lists are in the order of the teachers.

        When one teacher can go no further, the others are stopped: what was bought is in the journal.

        Raises:
            TeacherError: a teacher cannot be used.
            BudgetExceededError: the next call could pass the budget.
            StoreError: the journal cannot be written.
        """
        bought: list[dict[int, Completion]] = [{} for _ in orders]
        tell = None if on_progress is None else _Sum(on_progress, [len(mine) for mine in orders])
        run_to_end(self._buy_beside(orders, bought, budget, tell))
        return [[mine[place] for place in range(len(wanted))] for mine, wanted in zip(bought, orders, strict=True)]

    async def _buy_beside(
        self, orders: Sequence[Sequence[Order]], bought: list[dict[int, Completion]], budget: Budget, tell: _Sum | None
    ) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number, (teacher, mine) in enumerate(zip(self.teachers, orders, strict=True)):
                    told = None if tell is None else tell.of(number)
                    sink = bought[number].__setitem__
                    group.create_task(teacher.pour_beside(mine, sink, budget=budget, on_progress=told, total=len(mine)))
        except BaseExceptionGroup as failed:
            raise _first(failed) from failed


class _Sum:
    """Adds the progress of several purchases up."""

    def __init__(self, on_progress: OnProgress, totals: Sequence[int]) -> None:
        self._on_progress = on_progress
        self._latest = [Progress(0, total, 0, 0, 0.0) for total in totals]

    def of(self, number: int) -> OnProgress:
        """Return what the purchase of this number tells its progress."""

        def tell(progress: Progress) -> None:
            self._latest[number] = progress
            self._on_progress(self._add())

        return tell

    def _add(self) -> Progress:
        parts = self._latest
        return Progress(
            sum(part.done for part in parts),
            sum(part.total or 0 for part in parts),
            sum(part.journal_hits for part in parts),
            sum(part.errors for part in parts),
            sum(part.usd for part in parts),
            sum(part.refused for part in parts),
        )


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure to report: an error with an exit code before any other."""
    leaves = [
        leaf
        for error in failed.exceptions
        for leaf in ([_first(error)] if isinstance(error, BaseExceptionGroup) else [error])
    ]
    return next((leaf for leaf in leaves if isinstance(leaf, DistillError)), leaves[0])


@contextmanager
def open_panel(
    configs: Sequence[TeacherConfig],
    runtime: RuntimeConfig,
    *,
    task_labels: tuple[str, ...] | None = None,
    resolve: Path | None = None,
) -> Generator[Panel]:
    """Open the teachers of a run; all are closed with the context.

    Raises:
        TeacherError: of kind `auth`: a key is not set; of kind `connection`: a rehearsal did not start.
        StoreError: the journal cannot be opened.
        UsageError: `runtime.journal` is of an unknown kind.
    """
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_teacher(config, runtime, task_labels=task_labels, resolve=resolve))
            for config in configs
        ]
        yield Panel(opened)
