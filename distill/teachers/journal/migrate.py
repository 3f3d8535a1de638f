"""Moving a journal: from a file to a server or back. The source is only read; a migration may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from distill.errors import StoreError, UsageError
from distill.teachers.journal.protocol import Journal, Note, Record

_PAGE = 200


class Migration(NamedTuple):
    """What a migration did: requests read, answers that the target did not have, notes copied."""

    requests: int
    new_answers: int
    notes: int


def migrate(source: Journal, target: Journal, tell: Callable[[int], None] | None = None) -> Migration:
    """Copy everything that `source` holds into `target`; `tell` hears the number of requests so far.

    Raises:
        UsageError: somebody is at work on the source.
        StoreError: one of the two is damaged or cannot be used.
    """
    if (workers := source.workers()) > 0:
        raise UsageError(f"{workers} processes are at work on the journal to be moved; let them end, then try again")
    _refuse_damage(source, "the journal to be moved", "nothing was copied")
    requests = new_answers = 0
    records = source.records()
    while page := _take(records):
        new_answers += target.adopt(page)
        requests += len(page)
        if tell is not None:
            tell(requests)
    notes = source.notes("")
    target.apply([Note(name, value) for name, value in notes.items()])
    _refuse_damage(target, "the target", "use the source until this is mended")
    return Migration(requests, new_answers, len(notes))


def _take(records: Iterator[Record]) -> list[Record]:
    return list(islice(records, _PAGE))


def _refuse_damage(journal: Journal, name: str, then: str) -> None:
    problems = journal.verify()
    if problems:
        raise StoreError(f"{name} is damaged in {len(problems)} places, the first: {problems[0]}; {then}")
