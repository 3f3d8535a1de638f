"""The embedded journal: SQLite in WAL mode, safe to share between processes.

An answer costs money and a lost one is bought again, so it is on the disk before it counts. Commit and fsync are two
steps: after the commit the operating system has the answer, and a killed process loses nothing; `sync` makes it outlast
a power cut, and may wait in a thread of its own while the next answers are committed.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distill.errors import StoreError
from distill.records.json import Json
from distill.teachers.journal import lost, purses, schema
from distill.teachers.journal.owner import LEASE_S, Owner, host_name, new_owner
from distill.teachers.journal.protocol import (
    Attempt,
    Entry,
    Intent,
    JournalStats,
    PurseState,
    Record,
    Result,
    Write,
)
from distill.teachers.journal.sqlite_writes import Desk, adopt_all, read_entries, read_notes, write_all
from distill.teachers.journal.stored import (
    exported,
    find_damage,
    find_forgery,
    read_answer,
    record_of,
    refuse_version,
    totals,
)


class SqliteJournal:
    """A journal in one file."""

    def __init__(self, path: Path, *, read_only: bool = False, clock: Callable[[], float] = time.time) -> None:
        """Open or create the journal at `path`; a read-only one takes no lease and never creates the file.

        Raises:
            StoreError: the file is no journal, is damaged, is of a newer version, or cannot be opened.
        """
        self.path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._closed = self._sync_failed = False
        self._lost_calls = 0
        self._owner: Owner | None = None if read_only else new_owner()
        self._books = purses.Books("" if self._owner is None else self._owner.name)
        self._host = host_name()
        with self._guarded():
            self._db = _connect(path, read_only=read_only)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def apply(self, writes: Sequence[Write], *, durable: bool = True) -> list[Result]:
        now, others = self._clock(), purses.part(writes)
        with self._guarded():
            with self._transaction():
                live = self._live_owners(now) if any(isinstance(write, Intent) for write in others) else set[str]()
                desk = Desk("" if self._owner is None else self._owner.name, now, live)
                results = write_all(self._db, others, desk)
                carried = self._books.carry_out(writes, purses.Teller(self.notes, lambda: self._live_owners(now)))
                write_all(self._db, carried.notes, desk)
            self._books.keep(carried)
        if durable:
            self.sync()
        return purses.join(writes, results, carried)

    def sync(self) -> None:
        """Put the write-ahead log on the disk; takes no lock, so that another thread may commit meanwhile.

        Raises:
            StoreError: the disk did not take it, now or before.
        """
        if self._sync_failed:  # a later fsync says nothing of the pages that an earlier one lost
            raise StoreError(f"{self.path}: the disk did not take the journal; look at the disk, then run again")
        try:
            _sync_file(self.path.with_name(f"{self.path.name}-wal"))
        except OSError as error:
            self._sync_failed = True
            raise StoreError(f"{self.path}: the disk did not take the journal: {error}; look at the disk, then run "
                             f"again") from error  # fmt: skip

    def beat(self) -> None:
        owner = self._owner
        if owner is not None:
            with self._guarded():
                values = (owner.name, owner.host, owner.pid, owner.born, self._clock() + LEASE_S)
                self._db.execute(schema.PUT_OWNER, values)

    def lookup(self, keys: Iterable[str]) -> dict[str, Entry]:
        with self._guarded():
            return read_entries(self._db, keys)

    def note(self, name: str) -> str | None:
        with self._guarded():
            row = self._db.execute(schema.SELECT_META, (f"note:{name}",)).fetchone()
        return None if row is None else str(row[0])

    def notes(self, prefix: str) -> dict[str, str]:
        with self._guarded():
            return read_notes(self._db, prefix)

    def purse(self, name: str) -> PurseState:
        return purses.read_purse(self.notes(purses.prefix(name)))

    def take_lost_calls(self) -> int:
        found = lost.count_lost(self.notes(lost.LOST), self._books.owner)
        new, self._lost_calls = found - self._lost_calls, found
        return new

    def verify(self) -> list[str]:
        with self._guarded():
            problems = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            for text, query in (
                ("answer without a request", schema.ORPHANS),
                ("answered, but the answer is missing", schema.HOLLOW),
                ("answer of a request that is not marked answered", schema.UNSETTLED),
            ):
                problems += [f"{row[0]}: {text}" for row in self._db.execute(query)]
            forgeries = [find_forgery(*row) for row in self._db.execute(schema.SELECT_DIGESTS)]
            damages = [find_damage(*row) for row in self._db.execute(schema.SELECT_REQUESTS)]
        return problems + [found for found in (*forgeries, *damages) if found is not None]

    def stats(self) -> JournalStats:
        with self._guarded():
            states = {str(state): int(n) for state, n in self._db.execute(schema.COUNT_STATES)}
            tries = self._db.execute(schema.COUNT_ATTEMPTS).fetchall()
            sums = self._db.execute(schema.SUM_ANSWERS).fetchone()
            models = {str(model): int(n) for model, n in self._db.execute(schema.COUNT_MODELS)}
            claims = {str(owner): int(n) for owner, n in self._db.execute(schema.COUNT_CLAIMS)}
            notes = read_notes(self._db, lost.LOST), read_notes(self._db, lost.FLIGHTS)
            unknown = lost.count_unknown(*notes, claims, self._live_owners(self._clock()))
        return totals(states, tries, sums, models, unknown)

    def export(self) -> Iterator[dict[str, Json]]:
        return (exported(record) for record in self.records())

    def records(self) -> Iterator[Record]:
        with self._guarded():
            for row in self._db.execute(schema.SELECT_ALL):
                tries = [Attempt(*attempt) for attempt in self._db.execute(schema.SELECT_ATTEMPTS, (row[0],))]
                answer = self._db.execute(f"{schema.SELECT_ANSWERS}(?)", (row[0],)).fetchone()
                yield record_of(row, None if answer is None else read_answer(answer), tries)

    def adopt(self, records: Sequence[Record]) -> int:
        with self._guarded(), self._transaction():
            new_answers = adopt_all(self._db, records)
        self.sync()
        return new_answers

    def workers(self) -> int:
        with self._guarded():
            live = self._live_owners(self._clock())
        return len(live - ({self._owner.name} if self._owner is not None else set[str]()))

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                for note in self._books.give_back():
                    self._db.execute(schema.PUT_META, (f"note:{note.name}", note.value))
                if self._owner is not None:
                    self._db.execute(schema.DELETE_OWNER, (self._owner.name,))
            except sqlite3.Error:
                pass  # the lease runs out by itself
            finally:
                self._db.close()

    def _prepare(self) -> None:
        with self._guarded():
            if self._owner is not None:
                self._create()
            row = self._db.execute(schema.SELECT_META, ("schema",)).fetchone()
        reason = refuse_version(None if row is None else str(row[0]), schema.SCHEMA_VERSION)
        if reason is not None:
            raise StoreError(f"{self.path}: {reason}")
        self.beat()

    def _create(self) -> None:
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts_by_key'").fetchone() is None:
            with self._transaction():
                for statement in schema.CREATE.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(schema.SCHEMA_VERSION),))

    def _live_owners(self, now: float) -> set[str]:
        return {
            row[0]
            for row in self._db.execute(schema.SELECT_OWNERS)
            if Owner(row[0], row[1], row[2], row[3]).is_alive(row[4], now, self._host)
        }

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk rolls back by itself
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _guarded(self) -> Generator[None]:
        with self._lock:
            try:
                yield
            except StoreError as error:
                raise StoreError(f"{self.path}: {error}") from error
            except (sqlite3.Error, OSError, UnicodeError) as error:  # a damaged file's errors are damaged text
                raise StoreError(f"{self.path}: the journal cannot be used: {error}; free disk space or restore the "
                                 f"file, then run again") from error  # fmt: skip


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.is_file():
        raise FileNotFoundError(f"no such journal: {path}")
    mode = "ro" if read_only else "rwc"
    quoted = str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db = sqlite3.connect(f"file:{quoted}?mode={mode}", uri=True, timeout=60, isolation_level=None,
                         check_same_thread=False)  # fmt: skip
    try:
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -4000")
    except BaseException:
        db.close()
        raise
    return db


def _sync_file(path: Path) -> None:
    """Put a file's pages on the disk, whoever wrote them.

    SQLite's locks are on other files, so opening and closing this one releases none of them.
    """
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd) if _DATASYNC is None else _DATASYNC(fd)
    finally:
        os.close(fd)


_DATASYNC: Callable[[int], None] | None = getattr(os, "fdatasync", None)
