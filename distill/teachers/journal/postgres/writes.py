"""A batch of writes in as few statements as its order allows: each statement is a way to the server and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from distill.teachers.journal import lost
from distill.teachers.journal.postgres.claims import Desk, claim_all
from distill.teachers.journal.postgres.tables import ANSWERS, ATTEMPTS, META, REQUESTS
from distill.teachers.journal.protocol import (
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
from distill.teachers.journal.stored import ANSWER_COLUMNS, answer_row, dump_request
from distill.teachers.journal.stretches import stretches


def write_all(connection: Connection, writes: Sequence[Other], desk: Desk) -> list[Claim | Entry | None]:
    """Carry out writes as if one by one; an Intent gives a Claim or an Entry, a Swap a Claim, the rest None."""
    results: list[Claim | Entry | None] = []
    for part in stretches(writes):
        intents = [write for write in part if isinstance(write, Intent)]
        results += claim_all(connection, intents, desk) if intents else []
        swaps = [write for write in part if isinstance(write, Swap)]
        results += [None] * (len(part) - len(intents) - len(swaps))
        _put_attempts(connection, [write for write in part if isinstance(write, Attempt)])
        _put_answers(connection, [write for write in part if isinstance(write, Answer)], desk.now)
        _put_failures(connection, [write for write in part if isinstance(write, Failure)], desk.now)
        _release(connection, [key for write in part if isinstance(write, Release) for key in write.keys], desk)
        for note in part:
            if isinstance(note, Flight):
                _put_note(connection, lost.flight_note(desk.owner, note))
            elif isinstance(note, Note):
                _put_note(connection, note)
        results.extend(_swap(connection, swap) for swap in swaps)
    return results


def _put_attempts(connection: Connection, attempts: Sequence[Attempt]) -> None:
    rows = [{name: as_text(value) for name, value in attempt._asdict().items()} for attempt in attempts]
    if rows:
        connection.execute(insert(ATTEMPTS).on_conflict_do_nothing(), rows)


def _put_answers(connection: Connection, answers: Sequence[Answer], now: float) -> None:
    ordered = sorted(answers, key=lambda answer: answer.key)  # one order of locks for all workers
    if not ordered:
        return
    connection.execute(insert(ANSWERS).on_conflict_do_nothing(), [_answer_values(answer, now) for answer in ordered])
    settle = (
        update(REQUESTS)
        .where(REQUESTS.c.key == bindparam("of_key"))
        .values(state="answered", owner=None, updated=now, attempts=bindparam("tries"))
    )
    connection.execute(settle, [{"of_key": answer.key, "tries": answer.attempts} for answer in ordered])


def _put_failures(connection: Connection, failures: Sequence[Failure], now: float) -> None:
    if not failures:
        return
    fail = (
        update(REQUESTS)
        .where((REQUESTS.c.key == bindparam("of_key")) & (REQUESTS.c.state != "answered"))
        .values(state="failed", owner=None, updated=now, error_kind=bindparam("kind"), error=bindparam("words"),
                attempts=bindparam("tries"))
    )  # fmt: skip
    ordered = sorted(failures)
    rows = [{"of_key": key, "kind": kind, "words": as_text(error), "tries": n} for key, kind, error, n in ordered]
    connection.execute(fail, rows)


def _release(connection: Connection, keys: Sequence[str], desk: Desk) -> None:
    if not keys:
        return
    unused = REQUESTS.c.key.in_(keys) & (REQUESTS.c.owner == desk.owner) & (REQUESTS.c.state == "intended")
    sent = exists().where(ATTEMPTS.c.key == REQUESTS.c.key)
    connection.execute(delete(REQUESTS).where(unused & ~sent))
    connection.execute(update(REQUESTS).where(unused).values(owner=None, updated=desk.now))


def _put_note(connection: Connection, note: Note) -> None:
    name = f"note:{note.name}"
    if note.value is None:
        connection.execute(delete(META).where(META.c.name == name))
        return
    put = insert(META).values(name=name, value=as_text(note.value))
    connection.execute(put.on_conflict_do_update(index_elements=["name"], set_={"value": put.excluded.value}))


def _swap(connection: Connection, swap: Swap) -> Claim:
    """Change the note if it is as it was; one that is as it should be was changed before the line broke."""
    name = f"note:{swap.name}"
    change = update(META).where((META.c.name == name) & (META.c.value == swap.old)).values(value=swap.new)
    if connection.execute(change).rowcount:
        return "claimed"
    found = connection.execute(select(META.c.value).where(META.c.name == name)).scalar_one_or_none()
    return "claimed" if found == swap.new else "held"


def adopt_all(connection: Connection, records: Sequence[Record]) -> int:
    """Take over another journal's records; return how many answers were new."""
    if not records:
        return 0
    put: Any = insert(REQUESTS)
    taken = {name: put.excluded[name] for name in ("state", "updated", "error_kind", "error", "attempts")}
    better = (REQUESTS.c.state != "answered") & (put.excluded.state == "answered")
    put = put.on_conflict_do_update(index_elements=["key"], set_=taken | {"owner": None}, where=better)
    connection.execute(put, [_request_values(record) for record in records])
    _put_attempts(connection, [attempt for record in records for attempt in record.attempts])
    answers = [_answer_values(record.answer, record.updated) for record in records if record.answer is not None]
    if not answers:
        return 0
    fresh = insert(ANSWERS).on_conflict_do_nothing().returning(ANSWERS.c.key)
    return len(connection.execute(fresh, answers).all())


def _request_values(record: Record) -> dict[str, object]:
    key, sample, request = record.intent
    return {"key": key, "sample": sample, "provider": request.provider, "model": request.model,
            "request": dump_request(request), "state": record.state, "owner": None, "created": record.created,
            "updated": record.updated, "error_kind": record.error_kind, "error": as_text(record.error),
            "attempts": record.tries}  # fmt: skip


def _answer_values(answer: Answer, now: float) -> dict[str, object]:
    return {name: as_text(value) for name, value in zip(ANSWER_COLUMNS, answer_row(answer, now), strict=True)}


def as_text(value: object) -> object:
    """Make text that PostgreSQL takes: a teacher may say NUL or half a surrogate pair, which it refuses."""
    if not isinstance(value, str):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
