"""The journal: claims, crashes, damage, and what it tells."""

from __future__ import annotations

import sqlite3

import pytest

from distill.errors import StoreError, UsageError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import open_journal
from distill.teachers.journal.protocol import Answer, Attempt, Failure, Intent, Note, Release

REQUEST = TeacherRequest("openai", "m", (Message("user", "hi"),))
KEY = REQUEST.key()
INTENT = Intent(KEY, 0, REQUEST)
ANSWER = Answer(KEY, b'{"x":1}' * 400, "m-1", "req", "fp", Usage(10, 2, 3, 1), 0.5, 12.0, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a b" / "journal#1.db"


@pytest.fixture
def journal(path):
    journal = open_journal(f"sqlite:///{path}")
    yield journal
    journal.close()


def test_a_claim_is_held_until_it_is_answered(journal, path):
    other = open_journal(str(path))
    assert journal.apply([INTENT]) == ["claimed"]
    assert other.apply([INTENT]) == ["held"]
    journal.apply([ANSWER])
    assert other.apply([INTENT])[0].answer == ANSWER
    other.close()


def test_a_closed_journal_frees_its_claims(journal, path):
    other = open_journal(str(path))
    other.apply([INTENT])
    other.close()
    assert journal.apply([INTENT]) == ["claimed"]


def test_a_silent_owner_loses_its_claim_when_the_lease_ends(journal, path):
    from distill.teachers.journal.sqlite import SqliteJournal

    journal.apply([INTENT])
    late = SqliteJournal(path, clock=lambda: __import__("time").time() + 61)
    assert late.apply([INTENT]) == ["claimed"]
    late.close()


def test_an_unused_claim_leaves_no_trace(journal):
    journal.apply([INTENT])
    journal.apply([Release((KEY,))])
    assert journal.stats().unsettled == 0
    assert list(journal.export()) == []


def test_an_answer_survives_a_late_failure_and_a_second_answer(journal):
    journal.apply([INTENT, ANSWER, Failure(KEY, "timeout", "late", 3)])
    journal.apply([Answer(KEY, b"other", "m-2", None, None, Usage(), 0.0, 1.0, 1)])
    assert journal.lookup([KEY])[KEY].answer == ANSWER
    assert journal.verify() == []


def test_only_a_lasting_failure_is_given_back(journal):
    journal.apply([INTENT, Failure(KEY, "timeout", "late", 3)])
    assert journal.apply([INTENT]) == ["claimed"]
    journal.apply([Failure(KEY, "content_filter", "no", 1)])
    assert journal.apply([INTENT])[0].failure.error_kind == "content_filter"


def test_stats_and_export_tell_every_attempt(journal):
    tries = [
        Attempt(KEY, 1.0, 5.0, 500, "overloaded", "x", 0.25, None),
        Attempt(KEY, 2.0, 5.0, 200, None, None, 0.5, "r"),
    ]
    journal.apply([INTENT, *tries, ANSWER])
    stats = journal.stats()
    assert (stats.answered, stats.attempts, stats.usd, stats.wasted_usd) == (1, 2, 0.75, 0.25)
    (row,) = journal.export()
    assert row["answer"]["raw"] == ANSWER.raw.decode()
    assert [attempt["error_kind"] for attempt in row["attempts"]] == ["overloaded", None]


def test_a_damaged_answer_is_found(journal, path):
    journal.apply([INTENT, ANSWER])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answers SET raw = ?", (b"forged",))
    db.close()
    assert any("digest" in problem for problem in journal.verify())


def test_notes_are_kept_and_forgotten(journal):
    journal.apply([Note("batch/1", "a"), Note("batch/2", "b"), Note("other", "c")])
    journal.apply([Note("batch/1", None)])
    assert (journal.notes("batch/"), journal.note("other")) == ({"batch/2": "b"}, "c")


def test_what_is_no_journal_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"x\.db"):
        open_journal(str(tmp_path / "x.db"))


def test_a_newer_journal_is_refused(journal, path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    db.close()
    with pytest.raises(StoreError, match="version 99"):
        open_journal(str(path))


def test_a_read_only_journal_is_never_created(tmp_path):
    with pytest.raises(StoreError):
        open_journal(str(tmp_path / "none.db"), read_only=True)
    assert not (tmp_path / "none.db").exists()


def test_an_unknown_url_is_a_usage_error():
    with pytest.raises(UsageError, match="postgresql"):
        open_journal("postgresql://x/y")


def test_records_move_to_another_journal_and_twice_changes_nothing(journal, tmp_path):
    tries = [
        Attempt(KEY, 1.0, 5.0, 500, "overloaded", "x", 0.25, None),
        Attempt(KEY, 2.0, 5, 200, None, None, 0.5, "r"),
    ]
    journal.apply([INTENT, *tries, ANSWER])
    other = open_journal(str(tmp_path / "other.db"))
    assert [other.adopt(list(journal.records())), other.adopt(list(journal.records()))] == [1, 0]
    assert list(other.export()) == list(journal.export())
    assert (other.stats(), other.verify()) == (journal.stats(), [])
    other.close()


def test_a_packed_bomb_is_refused():
    import zlib

    from distill.teachers.journal import stored

    bomb = b"\x00z" + zlib.compress(b"0" * (stored.MAX_UNPACKED_BYTES + 1), 1)
    with pytest.raises(StoreError, match="unfolds"):
        stored.unpack(bomb)


def test_other_workers_are_counted(journal, path):
    other = open_journal(str(path))
    reader = open_journal(str(path), read_only=True)
    assert (journal.workers(), reader.workers()) == (1, 2)
    reader.close()
    other.close()
    assert journal.workers() == 0
