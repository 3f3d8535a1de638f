"""The embedded journal's batch of writes in few statements, each for many rows.

The writer is a thread beside the event loop, and every statement hands Python's lock to the loop and waits to have it
back. With one statement a row a commit of ten answers took ten times as long as it takes alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from distill.teachers.journal import lost, schema
from distill.teachers.journal.protocol import (
    PERMANENT_KINDS,
    Answer,
    Attempt,
    Claim,
    Entry,
    Failure,
    Flight,
    Intent,
    Note,
    Record,
    Release,
    Swap,
)
from distill.teachers.journal.purses import Other
from distill.teachers.journal.stored import answer_row, dump_request, read_answer
from distill.teachers.journal.stretches import stretches

_MOST_VALUES = 999
"""What the oldest SQLite in use takes in one statement."""
Row = tuple[Any, ...]
T = TypeVar("T")


class Desk(NamedTuple):
    """Who writes, at what time, and who else may be at work."""

    owner: str
    now: float
    live: Collection[str]


def write_all(db: sqlite3.Connection, writes: Sequence[Other], desk: Desk) -> list[Claim | Entry | None]:
    """Carry out writes as if one by one; an Intent gives a Claim or an Entry, a Swap a Claim, the rest None.

    Raises:
        sqlite3.Error: the journal is damaged or cannot be written.
    """
    results: list[Claim | Entry | None] = []
    for part in stretches(writes):
        intents = [write for write in part if isinstance(write, Intent)]
        results += _claim_all(db, intents, desk) if intents else []
        swaps = [write for write in part if isinstance(write, Swap)]
        results += [None] * (len(part) - len(intents) - len(swaps))
        _insert(db, schema.INSERT_ATTEMPTS, [write for write in part if isinstance(write, Attempt)])
        _put_answers(db, [write for write in part if isinstance(write, Answer)], desk.now)
        for write in part:
            _put_rare(db, write, desk)
        results.extend(_swap(db, swap) for swap in swaps)
    return results


def read_entries(db: sqlite3.Connection, keys: Iterable[str]) -> dict[str, Entry]:
    """Return the entries of the keys that need no more buying.

    Raises:
        sqlite3.Error: an answer is missing.
        StoreError: an answer is damaged.
    """
    return _entries(db, _select(db, schema.SELECT_STATES, list(dict.fromkeys(keys))))


def read_notes(db: sqlite3.Connection, prefix: str) -> dict[str, str]:
    """Return the notes whose names begin with `prefix`, in order of name.

    Raises:
        sqlite3.Error: the journal cannot be read.
    """
    low = f"note:{prefix}"
    rows = db.execute(schema.SELECT_NOTES, (low, low + "\U0010ffff")).fetchall()
    return {str(name).removeprefix("note:"): str(value) for name, value in rows}


def adopt_all(db: sqlite3.Connection, records: Sequence[Record]) -> int:
    """Take over another journal's records; return how many answers were new.

    Raises:
        sqlite3.Error: the journal cannot be written.
    """
    for record in records:
        key, sample, request = record.intent
        asked = (key, sample, request.provider, request.model, dump_request(request), record.state)
        ends = (record.created, record.updated, record.error_kind, record.error, record.tries)
        db.execute(schema.ADOPT_REQUEST, (*asked, *ends))
        db.executemany(schema.ADOPT_ATTEMPT, record.attempts)
    rows = [answer_row(record.answer, record.updated) for record in records if record.answer is not None]
    return _insert(db, schema.INSERT_ANSWERS, rows)


def _claim_all(db: sqlite3.Connection, intents: Sequence[Intent], desk: Desk) -> list[Claim | Entry]:
    wanted = {intent.key: intent for intent in intents}
    known = _select(db, schema.SELECT_STATES, list(wanted))
    entries = _entries(db, known)
    fresh = [intent for key, intent in wanted.items() if key not in known]
    free = [key for key, row in known.items() if key not in entries and _is_free(row, desk)]
    for owner in {known[key][2] for key in free if known[key][1] == "intended"} - {None, desk.owner}:
        _note_lost(db, str(owner), desk)
    _insert(db, schema.INSERT_REQUESTS, [_request_row(intent, desk) for intent in fresh])
    for keys in _pages(free, 1, spare=2):
        db.execute(schema.TAKE_REQUESTS + _marks(len(keys)), (desk.owner, desk.now, *keys))
    won = {intent.key for intent in fresh} | set(free)
    results: list[Claim | Entry] = []
    for intent in intents:
        results.append(entries.get(intent.key) or ("claimed" if intent.key in won else "held"))
        won.discard(intent.key)  # an equal intent of the same batch waits for this one's answer
    return results


def _note_lost(db: sqlite3.Connection, owner: str, desk: Desk) -> None:
    if read_notes(db, lost.LOST + owner):
        return
    (claims,) = db.execute(schema.COUNT_CLAIMS_OF, (owner,)).fetchone()
    note = lost.lost_note(owner, claims, read_notes(db, f"{lost.FLIGHTS}{owner}:"), desk.owner)
    if note is not None:
        _put_rare(db, note, desk)


def _is_free(row: Row, desk: Desk) -> bool:
    return row[1] != "intended" or row[2] not in desk.live


def _request_row(intent: Intent, desk: Desk) -> Row:
    request = intent.request
    said = (intent.key, intent.sample, request.provider, request.model, dump_request(request))
    return (*said, "intended", desk.owner, desk.now, desk.now)


def _entries(db: sqlite3.Connection, states: dict[str, Row]) -> dict[str, Entry]:
    answers = _select(db, schema.SELECT_ANSWERS, [key for key, row in states.items() if row[1] == "answered"])
    entries: dict[str, Entry] = {}
    for key, (_, state, _, kind, error, tries) in states.items():
        if state == "answered":
            if key not in answers:
                raise sqlite3.DatabaseError(f"{key} is marked answered, but its answer is missing")
            entries[key] = Entry(key, read_answer(answers[key]), None)
        elif state == "failed" and kind in PERMANENT_KINDS:
            entries[key] = Entry(key, None, Failure(key, kind, error, tries))
    return entries


def _put_answers(db: sqlite3.Connection, answers: Sequence[Answer], now: float) -> None:
    _insert(db, schema.INSERT_ANSWERS, [answer_row(answer, now) for answer in answers])
    for page in _pages(answers, 1, spare=1):
        db.execute(schema.SETTLE_REQUESTS + _marks(len(page)), (now, *(answer.key for answer in page)))


def _put_rare(db: sqlite3.Connection, write: Other, desk: Desk) -> None:
    match write:
        case Failure(key, kind, error, attempts):
            db.execute(schema.FAIL_REQUEST, (desk.now, kind, error, attempts, key))
        case Release(keys):
            db.executemany(schema.DROP_UNSENT, [(desk.owner, key) for key in keys])
            db.executemany(schema.RELEASE_REQUEST, [(desk.now, key, desk.owner) for key in keys])
        case Flight():
            _put_rare(db, lost.flight_note(desk.owner, write), desk)
        case Note(name, None):
            db.execute(schema.DELETE_META, (f"note:{name}",))
        case Note(name, value):
            db.execute(schema.PUT_META, (f"note:{name}", value))
        case _:
            pass


def _swap(db: sqlite3.Connection, swap: Swap) -> Claim:
    changed = db.execute(schema.SWAP_META, (swap.new, f"note:{swap.name}", swap.old)).rowcount
    return "claimed" if changed else "held"


def _select(db: sqlite3.Connection, statement: str, keys: Sequence[str]) -> dict[str, Row]:
    rows = (db.execute(statement + _marks(len(page)), page).fetchall() for page in _pages(keys, 1))
    return {row[0]: row for page in rows for row in page}


def _insert(db: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    """Insert rows; return how many were new."""
    new = 0
    for page in _pages(rows, len(rows[0]) if rows else 1):
        marks = ", ".join([_marks(len(page[0]))] * len(page))
        new += db.execute(f"{statement} VALUES {marks}", [value for row in page for value in row]).rowcount
    return new


def _marks(count: int) -> str:
    return f"({', '.join('?' * count)})"


def _pages(items: Sequence[T], values: int, *, spare: int = 0) -> Iterator[Sequence[T]]:
    most = (_MOST_VALUES - spare) // values
    return (items[start : start + most] for start in range(0, len(items), most))
