"""What is particular to the journal in a file; what all journals do is in tests/contract/test_journal_contract.py."""

from __future__ import annotations

import sqlite3

import pytest

from distill.errors import StoreError, UsageError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import open_journal
from distill.teachers.journal.protocol import Answer, Intent

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


def test_a_damaged_answer_is_found(journal, path):
    journal.apply([INTENT, ANSWER])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answers SET raw = ?", (b"forged",))
    db.close()
    assert any("digest" in problem for problem in journal.verify())


def test_what_is_no_journal_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"x\.db"):
        open_journal(str(tmp_path / "x.db"))


def test_a_read_only_journal_makes_no_file(tmp_path):
    with pytest.raises(StoreError):
        open_journal(str(tmp_path / "none.db"), read_only=True)
    assert not (tmp_path / "none.db").exists()


def test_an_unknown_url_is_a_usage_error():
    with pytest.raises(UsageError, match="mysql"):
        open_journal("mysql://x/y")


def test_a_packed_bomb_is_refused():
    import zlib

    from distill.teachers.journal import stored

    bomb = b"\x00z" + zlib.compress(b"0" * (stored.MAX_UNPACKED_BYTES + 1), 1)
    with pytest.raises(StoreError, match="unfolds"):
        stored.unpack(bomb)
