"""What is particular to the team journal: a server that is not there, goes away, or turns one away."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.postgres_server import PASSWORD

from distill.errors import MissingExtraError, StoreError, UsageError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import open_journal
from distill.teachers.journal.postgres.claims import Desk
from distill.teachers.journal.postgres.journal import PostgresJournal
from distill.teachers.journal.postgres.writes import write_all
from distill.teachers.journal.protocol import Answer, Attempt, Intent

pytestmark = pytest.mark.postgres
REQUEST = TeacherRequest("openai", "m", (Message("user", "hi"),))
INTENT = Intent(REQUEST.key(), 0, REQUEST)
ANSWER = Answer(INTENT.key, b"{}", "m-1", None, None, Usage(1, 0, 1), 0.5, 12.0, 1)


def test_a_crash_of_the_server_in_between_loses_nothing(database_url, postgres_server):
    journal = open_journal(database_url)
    assert journal.apply([INTENT]) == ["claimed"]
    postgres_server.stop(signal.SIGQUIT)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(journal.apply, [Attempt(INTENT.key, 1.0, 1.0, 200, None, None, 0.5, None), ANSWER])
        time.sleep(0.4)  # it meets a closed port first
        postgres_server.start()
        writing.result(60)
    assert (journal.lookup([INTENT.key])[INTENT.key].answer, journal.verify()) == (ANSWER, [])
    journal.close()


def test_a_server_that_stays_away_ends_in_one_line_and_the_answer_can_be_written_later(database_url, postgres_server):
    journal = PostgresJournal(database_url, pauses_s=(0.01,))
    journal.apply([INTENT])
    postgres_server.stop()
    try:
        with pytest.raises(StoreError, match="cannot be used") as failed:
            journal.apply([ANSWER])
    finally:
        postgres_server.start()
    assert "\n" not in str(failed.value)
    journal.apply([ANSWER])
    assert journal.stats().answered == 1
    journal.close()


def test_a_write_that_was_kept_although_the_line_broke_counts_once(database_url):
    journal = PostgresJournal(database_url)
    attempt = Attempt(INTENT.key, 1.0, 1.0, 200, None, None, 0.5, None)
    journal.apply([INTENT, attempt, ANSWER])
    journal.apply([attempt, ANSWER])
    assert (journal.stats().attempts, journal.stats().answered) == (1, 1)
    journal.close()


def test_a_claim_that_was_kept_although_the_line_broke_is_ours(database_url):
    journal = PostgresJournal(database_url)
    owner = journal._owner.name

    def claim(*, again: bool, confirmed: tuple[str, ...] = ()) -> list:
        desk = Desk(owner, 1.0, {owner}, confirmed, again)
        return journal._database.run(lambda connection, _: write_all(connection, [INTENT], desk))

    assert claim(again=False) == ["claimed"]  # as if the answer to this never arrived
    assert claim(again=True, confirmed=(INTENT.key,)) == ["held"]
    assert claim(again=True) == ["claimed"]
    assert claim(again=False) == ["held"]
    journal.close()


def test_a_password_is_in_no_message(database_url):
    wrong = database_url.replace(PASSWORD, "hunter2-wrong")
    with pytest.raises(StoreError, match="authentication failed") as failed:
        open_journal(wrong)
    with pytest.raises(StoreError, match="does not exist") as unknown:
        open_journal(database_url.replace("/postgres?", "/nowhere?"))
    assert "hunter2" not in str(failed.value)
    assert PASSWORD not in str(unknown.value)


def test_no_server_is_said_at_once():
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9.*refused"):
        open_journal("postgresql://team@127.0.0.1:9/journal")


@pytest.mark.parametrize("url", ["postgresql://", "postgresql://h:port/x"])
def test_what_is_no_url_is_a_usage_error(url):
    with pytest.raises(UsageError, match="postgresql://user@host"):
        open_journal(url)


def test_a_user_without_rights_is_told_what_is_missing(database_url, postgres_server):
    schema = database_url.rpartition("%3D")[2]
    postgres_server.sql(schema, "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'g'")
    with pytest.raises(StoreError, match="create tables"):
        open_journal(database_url.replace(f"team:{PASSWORD}", "guest:g"))
    open_journal(database_url).close()
    tables = "distill_meta, distill_owners, distill_requests, distill_answers, distill_attempts"
    postgres_server.sql(schema, f"GRANT USAGE ON SCHEMA {schema} TO guest; GRANT SELECT ON {tables} TO guest")
    reader = open_journal(database_url.replace(f"team:{PASSWORD}", "guest:g"), read_only=True)
    assert reader.stats().answered == 0
    reader.close()
    postgres_server.sql(schema, "DROP OWNED BY guest; DROP ROLE guest")


@pytest.mark.parametrize("missing", ["sqlalchemy", "psycopg"])
def test_without_the_extra_it_is_named(missing):
    program = (
        f"import sys\nsys.modules[{missing!r}] = None\nfrom distill.teachers import open_journal\n"
        "try:\n    open_journal('postgresql://t@127.0.0.1:9/x')\nexcept Exception as error:\n    print(repr(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert MissingExtraError.__name__ in done.stdout
    assert "distill[postgres]" in done.stdout
