"""Moving a journal between a file and a server, from the command line."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from distill.cli.journal import command
from distill.errors import StoreError, UsageError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import Journal, open_journal
from distill.teachers.journal.migrate import migrate
from distill.teachers.journal.protocol import Answer, Attempt, Failure, Intent, Note

COUNT = 450


def fill(journal: Journal) -> None:
    requests = [TeacherRequest("openai", "m", (Message("user", f"message {n}"),)) for n in range(COUNT)]
    keys = [request.key() for request in requests]
    journal.apply([Intent(key, 0, request) for key, request in zip(keys, requests, strict=True)])
    tries = [Attempt(key, float(n), 1.0, 200, None, None, 0.01, None) for n, key in enumerate(keys)]
    answers = [Answer(key, b"x" * n * 10, "m", None, None, Usage(1, 0, 1), 0.01, 1.0, 1) for n, key in enumerate(keys)]
    journal.apply([*tries, *answers])
    journal.apply([Failure(keys[-1], "timeout", "late", 1), Note("batch/1", "file-7")])


@pytest.fixture
def source(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    journal = open_journal(url)
    fill(journal)
    journal.close()
    return url


@pytest.mark.postgres
def test_a_journal_goes_to_a_server_and_comes_back_the_same(source, database_url, tmp_path):
    there = CliRunner().invoke(command, ["migrate", source, database_url, "--json"], standalone_mode=False)
    assert json.loads(there.stdout) == {"requests": COUNT, "new_answers": COUNT, "notes": 1}, there.output
    back = f"sqlite:///{tmp_path / 'back.db'}"
    again = CliRunner().invoke(command, ["migrate", database_url, back], standalone_mode=False)
    assert f"{COUNT} answers new" in again.stdout, again.output
    old, new = open_journal(source, read_only=True), open_journal(back, read_only=True)
    assert list(old.export()) == list(new.export())
    assert (old.stats(), old.notes("")) == (new.stats(), new.notes(""))
    old.close()
    new.close()


def test_a_second_migration_copies_what_is_new(source, tmp_path):
    old, new = open_journal(source), open_journal(str(tmp_path / "new.db"))
    migrate(old, new)
    request = TeacherRequest("openai", "m", (Message("user", "one more"),))
    old.apply([Intent(request.key(), 0, request), Answer(request.key(), b"", "m", None, None, Usage(), 0.0, 1.0, 1)])
    assert migrate(old, new).new_answers == 1
    old.close()
    new.close()


def test_a_damaged_source_is_not_copied(source, tmp_path):
    with sqlite3.connect(source.removeprefix("sqlite:///")) as db:
        db.execute("UPDATE answers SET raw = 'forged' WHERE input_tokens = 1")
    db.close()
    old, new = open_journal(source, read_only=True), open_journal(str(tmp_path / "new.db"))
    with pytest.raises(StoreError, match="nothing was copied"):
        migrate(old, new)
    assert new.stats().answered == 0
    old.close()
    new.close()


def test_a_journal_at_work_is_not_moved(source, tmp_path):
    worker, old, new = open_journal(source), open_journal(source, read_only=True), open_journal(str(tmp_path / "n.db"))
    with pytest.raises(UsageError, match="1 processes are at work"):
        migrate(old, new)
    for journal in (worker, old, new):
        journal.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["sqlite:///x.db", "sqlite:///x.db"], "same journal"), (["postgresql://u:${NOT_SET_1}@h/d", "x"], "NOT_SET_1")],
)
def test_what_cannot_be_moved_is_said(arguments, words):
    done = CliRunner().invoke(command, ["migrate", *arguments], standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert words in str(done.exception)
