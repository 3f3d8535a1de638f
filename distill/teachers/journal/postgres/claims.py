"""Who may buy: claims by compare-and-swap on the owner, so that no worker waits for another's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from distill.errors import StoreError
from distill.teachers.journal import lost
from distill.teachers.journal.owner import Owner
from distill.teachers.journal.postgres.tables import ANSWERS, META, OWNERS, REQUESTS
from distill.teachers.journal.protocol import PERMANENT_KINDS, Claim, Entry, Failure, Intent
from distill.teachers.journal.stored import dump_request, read_answer

_STATE = (REQUESTS.c.key, REQUESTS.c.state, REQUESTS.c.owner, REQUESTS.c.error_kind, REQUESTS.c.error,
          REQUESTS.c.attempts)  # fmt: skip


class Desk(NamedTuple):
    """Who claims, at what time, and who else is there.

    `confirmed` are the owner's claims that it knows of; `again` says that the line broke during an earlier try.
    """

    owner: str
    now: float
    live: Collection[str]
    confirmed: Collection[str]
    again: bool


def claim_all(connection: Connection, intents: Sequence[Intent], desk: Desk) -> list[Claim | Entry]:
    """Claim what is free; return for each intent the claim or the entry there is, in order."""
    wanted = {intent.key: intent for intent in sorted(intents, key=lambda intent: intent.key)}
    known = read_states(connection, wanted)
    won = _insert(connection, [intent for key, intent in wanted.items() if key not in known], desk)
    free = [row for row in known.values() if _is_free(row, desk)]
    for owner in {row.owner for row in free if row.state == "intended"} - {None, desk.owner}:
        _note_lost(connection, owner, desk)
    won |= _take(connection, free, desk)
    entries = read_entries(connection, known)
    results: list[Claim | Entry] = []
    for intent in intents:
        results.append(entries.get(intent.key) or ("claimed" if intent.key in won else "held"))
        won.discard(intent.key)  # an equal intent of the same batch waits for this one's answer
    return results


def read_states(connection: Connection, keys: Iterable[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    """Return the state rows of the requests that are there."""
    found = connection.execute(select(*_STATE).where(REQUESTS.c.key.in_(list(keys)))).all()
    return {row.key: row for row in found}


def read_entries(connection: Connection, states: Mapping[str, Row[*tuple[Any, ...]]]) -> dict[str, Entry]:
    """Return the entries of the requests that need no more buying.

    Raises:
        StoreError: an answer is missing or damaged.
    """
    answered = [key for key, row in states.items() if row.state == "answered"]
    answers = {row.key: row for row in connection.execute(select(ANSWERS).where(ANSWERS.c.key.in_(answered)))}
    entries: dict[str, Entry] = {}
    for key, row in states.items():
        if row.state == "answered":
            if key not in answers:
                raise StoreError(f"{key} is marked answered, but its answer is missing; run `distill journal verify`")
            entries[key] = Entry(key, read_answer(answers[key]), None)
        elif row.state == "failed" and row.error_kind in PERMANENT_KINDS:
            entries[key] = Entry(key, None, Failure(key, row.error_kind, row.error, row.attempts))
    return entries


def find_live(connection: Connection, now: float, here: str) -> set[str]:
    """Return the names of the owners that may still be at work."""
    owners = connection.execute(select(OWNERS)).all()
    return {row.owner for row in owners if Owner(*row[:4]).is_alive(row.expires, now, here)}


def read_notes(connection: Connection, prefix: str) -> dict[str, str]:
    """Return the notes whose names begin with `prefix`, in order of name."""
    query = select(META.c.name, META.c.value).where(META.c.name.startswith(f"note:{prefix}", autoescape=True))
    return {name.removeprefix("note:"): value for name, value in sorted(connection.execute(query).all())}


def _note_lost(connection: Connection, owner: str, desk: Desk) -> None:
    if read_notes(connection, lost.LOST + owner):
        return
    claims = select(func.count()).where((REQUESTS.c.owner == owner) & (REQUESTS.c.state == "intended"))
    flights = read_notes(connection, f"{lost.FLIGHTS}{owner}:")
    note = lost.lost_note(owner, connection.execute(claims).scalar_one(), flights, desk.owner)
    if note is not None:
        put = insert(META).values(name=f"note:{note.name}", value=note.value)
        connection.execute(put.on_conflict_do_nothing())


def _is_free(row: Row[*tuple[Any, ...]], desk: Desk) -> bool:
    if row.state == "failed":
        return row.error_kind not in PERMANENT_KINDS
    if row.owner == desk.owner:  # ours, from a transaction that was kept although the line broke before it said so
        return row.state == "intended" and desk.again and row.key not in desk.confirmed
    return row.state == "intended" and row.owner not in desk.live


def _insert(connection: Connection, intents: Sequence[Intent], desk: Desk) -> set[str]:
    if not intents:
        return set()
    rows = [
        {"key": key, "sample": sample, "provider": request.provider, "model": request.model,
         "request": dump_request(request), "state": "intended", "owner": desk.owner, "created": desk.now,
         "updated": desk.now}
        for key, sample, request in intents
    ]  # fmt: skip
    statement = insert(REQUESTS).on_conflict_do_nothing().returning(REQUESTS.c.key)
    return set(connection.execute(statement, rows).scalars())


def _take(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], desk: Desk) -> set[str]:
    won: set[str] = set()
    for owner in {row.owner for row in rows}:
        keys = [row.key for row in rows if row.owner == owner]
        unchanged = REQUESTS.c.owner.is_not_distinct_from(owner) & (REQUESTS.c.state != "answered")
        statement = update(REQUESTS).where(REQUESTS.c.key.in_(keys) & unchanged)
        values = {"state": "intended", "owner": desk.owner, "updated": desk.now}
        won |= set(connection.execute(statement.values(values).returning(REQUESTS.c.key)).scalars())
    return won
