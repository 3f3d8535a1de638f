"""Shows a run as it goes: live bars on a terminal, a plain line every ten seconds elsewhere. Writes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distill.engine.runner import Listener, StageEvent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL_S = 10.0


@contextmanager
def show_progress() -> Generator[Listener]:
    """Give a listener that shows events, fit for what stderr is."""
    if sys.stderr.isatty():
        with _show_bars() as listener:
            yield listener
    else:
        yield PlainProgress().listen


class PlainProgress:
    """One line when a stage starts and ends, and at most one every `PLAIN_INTERVAL_S` in between."""

    def __init__(self, interval_s: float = PLAIN_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._last_s = 0.0
        self._started_s = time.monotonic()

    def listen(self, event: StageEvent) -> None:
        """Take one event."""
        now = time.monotonic()
        if event.kind == "progress" and now - self._last_s < self._interval_s:
            return
        self._last_s = now
        print(f"[{now - self._started_s:6.1f}s] {describe(event)}", file=sys.stderr, flush=True)


def describe(event: StageEvent) -> str:
    """Say an event in one line."""
    if event.kind == "started":
        why = f" ({'; '.join(event.why[:3])})" if event.why else ""
        return f"{event.stage}: started{why}"
    if event.kind == "finished":
        return f"{event.stage}: cached" if event.status == "cached" else f"{event.stage}: done in {event.seconds:.1f} s"
    of_total = f"/{event.total}" if event.total else ""
    note = f"  {event.note}" if event.note else ""
    return f"{event.stage}: {event.done}{of_total}{note}"


@contextmanager
def _show_bars() -> Generator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("[bold]{task.description:<9}[/]"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}[/]"),
    )
    with Progress(*columns, console=console) as bars:
        yield _BarListener(bars).listen


class _BarListener:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def listen(self, event: StageEvent) -> None:
        from rich.markup import escape

        task = self._tasks.get(event.stage)
        if task is None:
            task = self._tasks[event.stage] = self._bars.add_task(event.stage, total=None, note="")
        if event.kind == "started":
            self._bars.update(task, note=escape("; ".join(event.why[:2])))
        elif event.kind == "progress":
            self._bars.update(task, completed=event.done, total=event.total, note=escape(event.note))
        else:
            total = self._bars.tasks[self._tasks[event.stage]].total or 1
            self._bars.update(task, completed=total, total=total, note="cached" if event.status == "cached" else "")
