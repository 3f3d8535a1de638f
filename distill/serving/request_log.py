"""The request log: SQLite in WAL mode, appended by one thread in batches, with redaction and retention.

A full queue never holds up an answer: the row is dropped and counted.
"""

from __future__ import annotations

import json
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal, cast

from distill.records.json import Json, dump_canonical
from distill.records.live import Audit, ServedRequest
from distill.serving.config import LogConfig

_REDACTIONS = (
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[email]"),
    (re.compile(r"\b(?:sk|pk|ghp|xox[a-z])[-_][A-Za-z0-9_-]{8,}"), "[key]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"), "[iban]"),
    (re.compile(r"\+?\d(?:[ ()./-]{0,2}\d){6,}"), "[number]"),
)
_JSON = ("columns", "slices")
_TABLES = {"requests": ServedRequest, "audits": Audit}
_QUEUE_ROWS = 50_000
_PRUNE_ROWS, _PRUNE_S, _IDLE_S = 10_000, 3600.0, 600.0
_END = object()
READING = LogConfig(retention_days=1e6, max_rows=2**62)
"""The settings of who only reads: retention is the gateway's, and a look at the log deletes nothing."""


class RequestLog:
    """One log file. `add` may be called from any thread; reading opens its own connection."""

    def __init__(self, path: Path, config: LogConfig, clock: Callable[[], float] = time.time) -> None:
        """Open or make the log and start its writer."""
        self.path, self._config, self._clock = path, config, clock
        self._redactions = [*_REDACTIONS, *((re.compile(pattern), "[redacted]") for pattern in config.redact)]
        self._queue: queue.Queue[object] = queue.Queue(_QUEUE_ROWS)
        self.dropped = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        with _connect(path) as connection:
            for name, kind in _TABLES.items():
                columns = ", ".join(f.name for f in fields(kind) if f.name != "number")
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {name} (number INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
                )
        connection.close()
        self._writer = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._writer.start()

    def add(self, row: ServedRequest | Audit) -> None:
        """Append a row soon; when the writer cannot keep up it is dropped and counted in `dropped`."""
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """Wait until every row added so far is on disk."""
        self._queue.join()

    def close(self) -> None:
        """Write what is left and stop."""
        self._queue.put(_END)
        self._writer.join()

    def requests(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[ServedRequest]:
        """Return a channel's requests from a time on (seconds since the epoch) and after a row number, oldest first."""
        return cast("list[ServedRequest]", self._read("requests", channel, since, after, version, limit))

    def audits(
        self, channel: str, since: float = 0.0, after: int = 0, version: str | None = None, limit: int | None = None
    ) -> list[Audit]:
        """Return a channel's audits likewise; of one version, or of all."""
        return cast("list[Audit]", self._read("audits", channel, since, after, version, limit))

    def redact(self, text: str) -> str:
        """Mask e-mail addresses, keys, account and long numbers, and the configured patterns."""
        for pattern, mask in self._redactions:
            text = pattern.sub(mask, text)
        return text

    def prune(self) -> None:
        """Delete rows past the retention or over the limit."""
        with _connect(self.path) as connection:
            self._prune(connection)
        connection.close()

    def _read(
        self,
        table: Literal["requests", "audits"],
        channel: str,
        since: float,
        after: int,
        version: str | None,
        limit: int | None,
    ) -> list[object]:
        query = f"SELECT * FROM {table} WHERE channel = ? AND time >= ? AND number > ?"  # noqa: S608 fixed names
        values: list[object] = [channel, since, after]
        if version is not None:
            query, values = f"{query} AND version = ?", [*values, version]
        connection = _connect(self.path)
        try:
            rows = connection.execute(f"{query} ORDER BY number LIMIT ?", [*values, -1 if limit is None else limit])
            return [_load(_TABLES[table], dict(row)) for row in rows]
        finally:
            connection.close()

    def _write(self) -> None:
        connection = _connect(self.path)
        try:
            pruned_at, written = self._prune_now(connection), 0
            while True:
                batch = self._next_batch()
                with connection:
                    for row in batch:
                        if row is not _END:
                            self._insert(connection, cast("ServedRequest | Audit", row))
                for _ in batch:
                    self._queue.task_done()
                if _END in batch:
                    return
                written += len(batch)
                if written >= _PRUNE_ROWS or self._clock() - pruned_at >= _PRUNE_S:
                    pruned_at, written = self._prune_now(connection), 0
        finally:
            connection.close()

    def _next_batch(self) -> list[object]:
        """Return the rows that wait, at least one; none after a while without any, so that retention goes on."""
        try:
            batch = [self._queue.get(timeout=_IDLE_S)]
        except queue.Empty:
            return []
        while len(batch) < 500 and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    def _prune_now(self, connection: sqlite3.Connection) -> float:
        with connection:
            self._prune(connection)
        return self._clock()

    def _insert(self, connection: sqlite3.Connection, row: ServedRequest | Audit) -> None:
        table = "requests" if isinstance(row, ServedRequest) else "audits"
        values = {key: value for key, value in asdict(row).items() if key != "number"}
        for key in ("text", "answer", "student_answer", "teacher_answer"):
            if values.get(key) is not None:
                values[key] = self._mask(values[key])
        for key in _JSON:
            if values.get(key) is not None:
                masked = self._mask_value(values[key])
                values[key] = None if key == "columns" and self._config.text == "off" else dump_canonical(masked)
        names, marks = ", ".join(values), ", ".join("?" for _ in values)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608

    def _mask(self, text: str) -> str | None:
        text = text.encode("utf-8", "replace").decode()
        return None if self._config.text == "off" else text if self._config.text == "full" else self.redact(text)

    def _mask_value(self, value: Json) -> Json:
        """Mask every text inside a JSON value; names of columns and slices stay."""
        if isinstance(value, str):
            text = value.encode("utf-8", "replace").decode()
            return text if self._config.text == "full" else self.redact(text)
        if isinstance(value, Mapping):
            return {key: self._mask_value(item) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self._mask_value(item) for item in value]
        return value

    def _prune(self, connection: sqlite3.Connection) -> None:
        oldest = self._clock() - self._config.retention_days * 86_400
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table} WHERE time < ?", (oldest,))  # noqa: S608
            newest = f"(SELECT MAX(number) FROM {table})"  # noqa: S608
            connection.execute(f"DELETE FROM {table} WHERE number <= {newest} - ?", (self._config.max_rows,))  # noqa: S608


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _load(kind: type, values: dict[str, object]) -> object:
    for key in _JSON:
        if key in values and values[key] is not None:
            values[key] = json.loads(cast("str", values[key]))
    if "agreed" in values:
        values["agreed"] = bool(values["agreed"])
    return kind(**values)
