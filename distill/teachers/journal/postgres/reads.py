"""What a team journal tells: totals, damage and records, in pages, so that no memory holds a whole journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, FromClause, Row, Select, func, select

from distill.teachers.journal import lost
from distill.teachers.journal.postgres.claims import read_notes
from distill.teachers.journal.postgres.database import Database
from distill.teachers.journal.postgres.tables import ANSWERS, ATTEMPTS, REQUESTS
from distill.teachers.journal.protocol import Attempt, JournalStats, Record
from distill.teachers.journal.stored import find_damage, find_forgery, read_answer, record_of, totals

PAGE_ROWS = 500
_TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
_RECORD = ("key", "sample", "request", "state", "created", "updated", "error_kind", "error", "attempts")


def sum_up(connection: Connection, live: Collection[str]) -> JournalStats:
    """Return the totals; `live` are the owners that may be at work."""
    states = _count(connection, select(REQUESTS.c.state, func.count()).group_by(REQUESTS.c.state))
    kind, cost = func.coalesce(ATTEMPTS.c.error_kind, ""), func.coalesce(func.sum(ATTEMPTS.c.cost_usd), 0.0)
    tries = connection.execute(select(kind, func.count(), cost).group_by(kind)).all()
    sums = [func.coalesce(func.sum(ANSWERS.c[name]), 0) for name in (*_TOKENS, "cost_usd")]
    models = _count(connection, select(ANSWERS.c.model_served, func.count()).group_by(ANSWERS.c.model_served))
    is_claim = (REQUESTS.c.state == "intended") & REQUESTS.c.owner.is_not(None)
    claims = _count(connection, select(REQUESTS.c.owner, func.count()).where(is_claim).group_by(REQUESTS.c.owner))
    notes = read_notes(connection, lost.LOST), read_notes(connection, lost.FLIGHTS)
    unknown = lost.count_unknown(*notes, claims, live)
    return totals(states, tries, connection.execute(select(*sums)).one(), models, unknown)


def find_problems(database: Database) -> Iterator[str]:
    """Yield everything that is wrong, in words.

    Raises:
        StoreError: the server does not answer.
    """
    for text, query in _contradictions():
        yield from (f"{key}: {text}" for key in database.run(_scalars(query)))
    for row in pages(database, ANSWERS, ("key", "raw", "digest")):
        yield from filter(None, [find_forgery(*row)])
    for row in pages(database, REQUESTS, ("key", "sample", "request")):
        yield from filter(None, [find_damage(*row)])


def read_records(database: Database) -> Iterator[Record]:
    """Yield every record in order of key.

    Raises:
        StoreError: the server does not answer, or a row is damaged.
    """
    last = ""
    while True:
        page = database.run(lambda connection, _, after=last: _read_page(connection, after))
        if not page:
            return
        yield from page
        last = page[-1].intent.key


def pages(database: Database, table: FromClause, columns: Sequence[str]) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield a table's rows in order of key, a page at a time.

    Raises:
        StoreError: the server does not answer.
    """
    last = ""
    while True:
        query = select(*(table.c[name] for name in columns)).where(table.c.key > last)
        rows = database.run(_all(query.order_by(table.c.key).limit(PAGE_ROWS)))
        if not rows:
            return
        yield from rows
        last = rows[-1].key


def _read_page(connection: Connection, after: str) -> list[Record]:
    query = select(*(REQUESTS.c[name] for name in _RECORD)).where(REQUESTS.c.key > after)
    requests = connection.execute(query.order_by(REQUESTS.c.key).limit(PAGE_ROWS)).all()
    keys = [row.key for row in requests]
    answers = {row.key: row for row in connection.execute(select(ANSWERS).where(ANSWERS.c.key.in_(keys)))}
    attempts: dict[str, list[Attempt]] = {key: [] for key in keys}
    tried = select(ATTEMPTS).where(ATTEMPTS.c.key.in_(keys)).order_by(ATTEMPTS.c.started, ATTEMPTS.c.latency_ms)
    for row in connection.execute(tried):
        attempts[row.key].append(Attempt(*row))
    found = [(row, answers.get(row.key)) for row in requests]
    return [record_of(row, None if answer is None else read_answer(answer), attempts[row.key]) for row, answer in found]


def _contradictions() -> list[tuple[str, Select[*tuple[Any, ...]]]]:
    wanted, given = select(REQUESTS.c.key), select(ANSWERS.c.key)
    is_answered = REQUESTS.c.state == "answered"
    return [
        ("answer without a request", given.where(ANSWERS.c.key.not_in(wanted))),
        ("answered, but the answer is missing", wanted.where(is_answered & REQUESTS.c.key.not_in(given))),
        ("answer of a request that is not marked answered", given.where(ANSWERS.c.key.in_(wanted.where(~is_answered)))),
    ]


def _count(connection: Connection, query: Select[*tuple[Any, ...]]) -> dict[str, int]:
    return {str(name): int(n) for name, n in connection.execute(query)}


def _scalars(query: Select[*tuple[Any, ...]]) -> Callable[[Connection, int], list[str]]:
    return lambda connection, _: [str(value) for value in connection.execute(query).scalars()]


def _all(query: Select[*tuple[Any, ...]]) -> Callable[[Connection, int], Sequence[Row[*tuple[Any, ...]]]]:
    return lambda connection, _: connection.execute(query).all()
