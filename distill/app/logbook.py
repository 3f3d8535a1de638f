"""The request log from outside the gateway: counted, and as data under the names that the channel's config uses."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from distill.app.runs import find_run
from distill.engine.channels import Channels
from distill.errors import UsageError
from distill.serving.export import ColumnNames, export_rows
from distill.serving.request_log import READING, RequestLog

DAY_S = 86_400.0


def export_log(
    channel: str,
    output: Path,
    *,
    state_dir: Path,
    runs_dir: Path,
    limit: int | None = None,
    days: float | None = None,
    place: Path | str | None = None,
) -> int:
    """Write a channel's log as a source for `distill run`; return the rows.

    Raises:
        UsageError: nothing usable is logged.
    """
    since = start_of(days)
    log = open_log(state_dir)
    try:
        names = find_names(channel, place or state_dir, runs_dir)
        rows = export_rows(log.requests(channel, since), log.audits(channel, since), output, names, limit)
    finally:
        log.close()
    if rows == 0:
        raise UsageError(
            f"no request of channel {channel!r} is logged with its text (log.text in the gateway's config)"
        )
    return rows


def count_log(channel: str, state_dir: Path) -> list[dict[str, Any]]:
    """Count a channel's requests by version, who answered and why, most first.

    Raises:
        UsageError: there is no log.
    """
    log = open_log(state_dir)
    try:
        counts = Counter((row.version, row.answered_by, row.reason, row.side) for row in log.requests(channel))
    finally:
        log.close()
    return [
        {"version": version, "answered_by": by, "reason": reason, "side": side, "requests": n}
        for (version, by, reason, side), n in counts.most_common()
    ]


def find_names(channel: str, place: Path | str, runs_dir: Path) -> ColumnNames:
    """Return the column names of the config that the channel's student was made with; the usual ones where it is gone.

    Raises:
        StoreError: the channel's history is damaged.
    """
    entry = Channels(place).read(channel)
    metadata = {} if entry is None else entry.metadata
    run = find_run(metadata, runs_dir)
    if run is None:
        return ColumnNames()
    config = cast("Mapping[str, Any]", run.facts["config"])
    data = cast("Mapping[str, Any]", config.get("data") or {})
    return ColumnNames(
        id=data.get("id"),
        teacher_output=data.get("teacher_output") or "teacher_output",
        gold=data.get("gold"),
        time=data.get("time"),
        group=data.get("group"),
        slices=tuple(data.get("slices") or ()),
    )


def start_of(days: float | None) -> float:
    """Return when the last so many days began, in seconds since the epoch; of all time without a number."""
    return 0.0 if days is None else time.time() - days * DAY_S


def open_log(state_dir: Path) -> RequestLog:
    """Open a gateway's log to read it.

    Raises:
        UsageError: there is none.
    """
    path = state_dir / "requests.db"
    if not path.is_file():
        raise UsageError(f"{path}: no request log here; `distill serve` writes it")
    return RequestLog(path, READING)
