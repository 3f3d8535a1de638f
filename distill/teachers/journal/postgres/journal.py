"""The team journal: one PostgreSQL database for many machines, one bill. Time is the server's: clocks differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Double, cast, delete, func, inspect, select
from sqlalchemy.dialects.postgresql import insert

from distill.errors import StoreError
from distill.records.json import Json
from distill.teachers.journal import lost, purses
from distill.teachers.journal.owner import LEASE_S, Owner, host_name, new_owner
from distill.teachers.journal.postgres.claims import Desk, find_live, read_entries, read_notes, read_states
from distill.teachers.journal.postgres.database import PAUSES_S, Database
from distill.teachers.journal.postgres.reads import find_problems, read_records, sum_up
from distill.teachers.journal.postgres.tables import META, METADATA, OWNERS, SCHEMA_VERSION
from distill.teachers.journal.postgres.writes import adopt_all, write_all
from distill.teachers.journal.protocol import (
    Answer,
    Claim,
    Draw,
    Entry,
    Failure,
    Intent,
    JournalStats,
    PurseState,
    Record,
    Release,
    Result,
    Write,
)
from distill.teachers.journal.stored import exported, refuse_version

_PAGE = 1000
_CREATING = 4177223
"""The advisory lock under which tables are made: two workers may be the first at once."""
_DRAWING = 4177224
"""The advisory lock under which money is set aside: the sum over a purse must not change meanwhile."""
T = TypeVar("T")


class PostgresJournal:
    """A journal in a PostgreSQL database."""

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        clock: Callable[[], float] | None = None,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        """Open the journal at a `postgresql://` URL, making its tables unless `read_only`.

        Raises:
            UsageError: the URL cannot be read.
            MissingExtraError: psycopg is not installed.
            StoreError: the server cannot be reached, or the journal is not there or of a newer version.
        """
        self._database = Database(url, read_only=read_only, pauses_s=pauses_s)
        self._clock = clock
        self._host = host_name()
        self._owner: Owner | None = None if read_only else new_owner()
        self._books = purses.Books("" if self._owner is None else self._owner.name)
        self._confirmed: set[str] = set()
        self._lost_calls = 0
        self._closed = False
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def apply(self, writes: Sequence[Write], *, durable: bool = True) -> list[Result]:
        del durable  # every commit of the server is
        owner = "" if self._owner is None else self._owner.name
        others = purses.part(writes)
        asks = any(isinstance(write, Intent) for write in others)

        def work(connection: Connection, tries: int) -> tuple[list[Claim | Entry | None], purses.Carried]:
            if any(isinstance(write, Draw) for write in writes):
                connection.execute(select(func.pg_advisory_xact_lock(_DRAWING)))
            now = self._now(connection)
            live = find_live(connection, now, self._host) if asks else set[str]()
            desk = Desk(owner, now, live, self._confirmed, tries > 0)
            results = write_all(connection, others, desk)
            teller = purses.Teller(partial(read_notes, connection), lambda: find_live(connection, now, self._host))
            carried = self._books.carry_out(writes, teller)
            write_all(connection, carried.notes, desk)
            return results, carried

        results, carried = self._run(work)
        self._books.keep(carried)
        self._remember(others, results)
        return purses.join(writes, results, carried)

    def sync(self) -> None:
        """Do nothing: the server's commit is durable."""

    def beat(self) -> None:
        if self._owner is not None:
            self._run(self._beat)

    def lookup(self, keys: Iterable[str]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        rest = iter(keys)
        while page := list(islice(rest, _PAGE)):
            found |= self._run(_looking_up(page))
        return found

    def note(self, name: str) -> str | None:
        return self._run(lambda connection, _: _read_meta(connection, f"note:{name}"))

    def notes(self, prefix: str) -> dict[str, str]:
        return self._run(lambda connection, _: read_notes(connection, prefix))

    def purse(self, name: str) -> PurseState:
        return purses.read_purse(self.notes(purses.prefix(name)))

    def take_lost_calls(self) -> int:
        found = lost.count_lost(self.notes(lost.LOST), self._books.owner)
        new, self._lost_calls = found - self._lost_calls, found
        return new

    def verify(self) -> list[str]:
        return list(find_problems(self._database))

    def stats(self) -> JournalStats:
        def work(connection: Connection, _: int) -> JournalStats:
            return sum_up(connection, find_live(connection, self._now(connection), self._host))

        return self._run(work)

    def export(self) -> Iterator[dict[str, Json]]:
        return (exported(record) for record in self.records())

    def records(self) -> Iterator[Record]:
        return read_records(self._database)

    def adopt(self, records: Sequence[Record]) -> int:
        return self._run(lambda connection, _: adopt_all(connection, records))

    def workers(self) -> int:
        me = {self._owner.name} if self._owner is not None else set[str]()
        return len(self._run(lambda connection, _: find_live(connection, self._now(connection), self._host)) - me)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            if self._owner is not None:
                self._database.run(self._leave, patient=False)
        except StoreError:
            pass  # the lease runs out by itself
        finally:
            self._database.close()

    def _run(self, work: Callable[[Connection, int], T]) -> T:
        return self._database.run(work)

    def _prepare(self) -> None:
        def work(connection: Connection, _: int) -> str | None:
            if not inspect(connection).has_table(META.name):
                if self._owner is None:
                    raise StoreError(f"{self._database.shown}: there is no journal yet: nothing was bought into it")
                _create(connection)
            return _read_meta(connection, "schema")

        found = self._database.run(work, patient=False)
        reason = refuse_version(found, SCHEMA_VERSION)
        if reason is not None:
            raise StoreError(f"{self._database.shown}: {reason}")
        self.beat()

    def _beat(self, connection: Connection, _: int) -> None:
        if self._owner is not None:
            name, host, pid, born = self._owner.name, self._owner.host, self._owner.pid, self._owner.born
            expires = self._now(connection) + LEASE_S
            put = insert(OWNERS).values(owner=name, host=host, pid=pid, born=born, expires=expires)
            connection.execute(put.on_conflict_do_update(index_elements=["owner"], set_={"expires": expires}))

    def _leave(self, connection: Connection, _: int) -> None:
        owner = "" if self._owner is None else self._owner.name
        write_all(connection, self._books.give_back(), Desk(owner, self._now(connection), set(), set(), False))
        connection.execute(delete(OWNERS).where(OWNERS.c.owner == owner))

    def _now(self, connection: Connection) -> float:
        if self._clock is not None:
            return self._clock()
        return connection.execute(select(cast(func.extract("epoch", func.clock_timestamp()), Double))).scalar_one()

    def _remember(self, writes: Sequence[Write], results: Sequence[Claim | Entry | None]) -> None:
        """Keep which claims are known to be ours: after a broken line, only the others are taken for lost."""
        for write, result in zip(writes, results, strict=True):
            if isinstance(write, Intent) and result == "claimed":
                self._confirmed.add(write.key)
            elif isinstance(write, Answer | Failure):
                self._confirmed.discard(write.key)
            elif isinstance(write, Release):
                self._confirmed.difference_update(write.keys)


def _create(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(_CREATING)))
    METADATA.create_all(connection)
    connection.execute(insert(META).values(name="schema", value=str(SCHEMA_VERSION)).on_conflict_do_nothing())


def _looking_up(keys: list[str]) -> Callable[[Connection, int], dict[str, Entry]]:
    return lambda connection, _: read_entries(connection, read_states(connection, keys))


def _read_meta(connection: Connection, name: str) -> str | None:
    return connection.execute(select(META.c.value).where(META.c.name == name)).scalar_one_or_none()
