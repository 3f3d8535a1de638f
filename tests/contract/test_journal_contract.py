"""What every journal must do, whether it is a file or a server's database."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from distill.errors import StoreError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import Journal, open_journal
from distill.teachers.journal.protocol import Answer, Attempt, Failure, Flight, Intent, Note, Release, Swap

REQUEST = TeacherRequest("openai", "m", (Message("user", "hi"),))
KEY = REQUEST.key()
INTENT = Intent(KEY, 0, REQUEST)
ANSWER = Answer(KEY, b'{"x":1}' * 400, "m-1", "req", "fp", Usage(10, 2, 3, 1), 0.5, 12.0, 2)
TRIES = [
    Attempt(KEY, 1.0, 5.0, 500, "overloaded", "x", 0.25, None),
    Attempt(KEY, 2.0, 5.0, 200, None, None, 0.5, "r"),
]


def intent_of(number: int) -> Intent:
    request = TeacherRequest("openai", "m", (Message("user", f"message {number}"),))
    return Intent(request.key(), 0, request)


def answer_of(key: str) -> Answer:
    return Answer(key, b"{}", "m-1", None, None, Usage(1, 0, 1), 0.01, 1.0, 1)


@dataclass
class Place:
    """Where a journal is: opens any number of workers on it, and can reach behind its back."""

    url: str
    execute: Callable[[str], object]
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self, *, read_only: bool = False) -> Journal:
        journal = open_journal(self.url, read_only=read_only)
        self.stack.callback(journal.close)
        return journal

    def open_late(self, seconds: float) -> Journal:
        """Open it as a machine would whose clock is that much further."""
        from distill.teachers.journal.postgres.journal import PostgresJournal
        from distill.teachers.journal.sqlite import SqliteJournal

        def clock() -> float:
            return time.time() + seconds

        if self.url.startswith("postgresql"):
            journal: Journal = PostgresJournal(self.url, clock=clock)
        else:
            journal = SqliteJournal(Path(self.url.removeprefix("sqlite:///")), clock=clock)
        self.stack.callback(journal.close)
        return journal


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        path = tmp_path / "a b" / "journal#1.db"
        found = Place(f"sqlite:///{path}", lambda text: _run_sqlite(path, text))
    else:
        server = request.getfixturevalue("postgres_server")
        url = request.getfixturevalue("database_url")
        found = Place(url, lambda text: server.sql(url.rpartition("%3D")[2], _for_postgres(text)))
    with found.stack:
        yield found


def _run_sqlite(path: Path, text: str) -> None:
    import sqlite3

    db = sqlite3.connect(path)
    with db:
        db.execute(text)
    db.close()


def _for_postgres(text: str) -> str:
    for table in ("meta", "owners", "requests", "answers"):
        text = text.replace(f" {table} ", f" distill_{table} ")
    return text


@pytest.fixture
def journal(place: Place) -> Journal:
    return place.open()


def test_a_claim_is_held_until_it_is_answered(journal, place):
    other = place.open()
    assert journal.apply([INTENT]) == ["claimed"]
    assert other.apply([INTENT]) == ["held"]
    journal.apply([ANSWER])
    assert other.apply([INTENT])[0].answer == ANSWER


def test_a_closed_journal_frees_its_claims(journal, place):
    other = place.open()
    other.apply([INTENT])
    other.close()
    other.close()
    assert journal.apply([INTENT]) == ["claimed"]


def test_a_silent_owner_loses_its_claim_when_the_lease_ends_and_not_before(journal, place):
    journal.apply([INTENT])
    assert place.open_late(50).apply([INTENT]) == ["held"]
    assert place.open_late(61).apply([INTENT]) == ["claimed"]


def test_a_beat_keeps_the_claim(journal, place):
    journal.apply([INTENT])
    late = place.open_late(40)
    late.apply([intent_of(1)])
    late.beat()
    assert place.open_late(90).apply([intent_of(1)]) == ["held"]


def test_a_killed_workers_claim_is_taken_over_at_once_on_the_same_machine(journal, place):
    program = (
        "import sys, os, signal\nsys.path.insert(0, sys.argv[2])\n"
        "from test_journal_contract import INTENT\nfrom distill.teachers.journal import open_journal\n"
        "print(open_journal(sys.argv[1]).apply([INTENT]), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    arguments = [sys.executable, "-c", program, place.url, str(Path(__file__).parent)]
    dead = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert dead.stdout.strip() == "['claimed']", dead.stderr
    assert journal.apply([INTENT]) == ["claimed"]


def test_equal_intents_of_one_batch_are_claimed_once(journal):
    assert journal.apply([INTENT, INTENT]) == ["claimed", "held"]
    assert journal.apply([INTENT]) == ["held"]


def test_many_workers_at_once_claim_each_row_exactly_once(place):
    intents = [intent_of(number) for number in range(30)]
    won: list[str] = []
    lock = threading.Lock()

    def work(journal: Journal, start: int) -> None:
        for number in range(30):
            chosen = [intents[(start + number + step) % 30] for step in (0, 7)]
            results = journal.apply(chosen)
            with lock:
                won.extend(intent.key for intent, result in zip(chosen, results, strict=True) if result == "claimed")

    workers = [threading.Thread(target=work, args=(place.open(), 11 * n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(won) == sorted(intent.key for intent in intents)


def test_an_unused_claim_leaves_no_trace(journal):
    journal.apply([INTENT])
    journal.apply([Release((KEY,))])
    assert journal.stats().unsettled == 0
    assert list(journal.export()) == []


def test_a_released_claim_that_was_sent_stays_as_unsettled_and_is_free(journal, place):
    journal.apply([INTENT, TRIES[0]])
    journal.apply([Release((KEY,))])
    assert journal.stats().unsettled == 1
    assert place.open().apply([INTENT]) == ["claimed"]


def test_calls_under_way_in_a_process_that_died_are_counted_once_whoever_buys_them_again(journal, place):
    intents = [intent_of(number) for number in range(5)]
    journal.apply([Flight("a", 2), Flight("b", 1), *intents])
    assert journal.stats().outcome_unknown == 0, "it is at work"
    first, second = place.open_late(120), place.open_late(120)
    assert first.stats().outcome_unknown == 3
    assert first.apply(intents[:1]) == ["claimed"]
    assert second.apply(intents[1:]) == ["claimed"] * 4
    first.apply([answer_of(intents[0].key)])
    second.apply([answer_of(intent.key) for intent in intents[1:]])
    totals = first.stats()
    assert (totals.answered, totals.outcome_unknown, totals.attempts, totals.wasted_usd) == (5, 3, 0, 0.0)


def test_of_a_process_that_died_no_more_calls_count_than_it_had_claims(journal, place):
    journal.apply([Flight("a", 32), INTENT])
    assert place.open_late(120).stats().outcome_unknown == 1


def test_a_purchase_that_ended_has_no_call_with_an_unknown_outcome(journal, place):
    journal.apply([Flight("a", 2), INTENT])
    journal.apply([Flight("a", 0)])
    late = place.open_late(120)
    assert late.apply([INTENT]) == ["claimed"]
    assert late.stats().outcome_unknown == 0
    assert journal.notes("flight:") == {}


def test_nobody_releases_anothers_claim(journal, place):
    journal.apply([INTENT])
    other = place.open()
    other.apply([Release((KEY,))])
    assert other.apply([INTENT]) == ["held"]


def test_a_batch_is_carried_out_in_its_order(journal):
    first, second = intent_of(1), intent_of(2)
    results = journal.apply(
        [first, answer_of(first.key), first, second, Failure(second.key, "timeout", "late", 1), second, TRIES[0]]
    )
    assert (results[0], results[2].answer.key, results[3], results[5]) == ("claimed", first.key, "claimed", "claimed")
    assert results[1] is results[4] is results[6] is None


def test_a_batch_of_any_size_is_carried_out_as_one(journal):
    intents = [intent_of(number) for number in range(1203)]
    journal.apply([*intents[:1100], *(answer_of(intent.key) for intent in intents[:1003])])
    results = journal.apply([*intents, intents[-1]])
    assert [result.answer.key for result in results[:1003]] == [intent.key for intent in intents[:1003]]
    assert results[1003:] == ["held"] * 97 + ["claimed"] * 103 + ["held"]
    assert (journal.stats().answered, journal.stats().unsettled, journal.verify()) == (1003, 200, [])


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
    journal.apply([INTENT, *TRIES, ANSWER])
    stats = journal.stats()
    assert (stats.answered, stats.attempts, stats.usd, stats.wasted_usd) == (1, 2, 0.75, 0.25)
    assert (stats.input_tokens, stats.by_model) == (10, {"m-1": 1})
    (row,) = journal.export()
    assert row["answer"]["raw"] == ANSWER.raw.decode()
    assert [attempt["error_kind"] for attempt in row["attempts"]] == ["overloaded", None]


def test_an_empty_journal_has_totals_of_nothing(journal):
    assert (journal.stats().usd, journal.lookup([KEY]), journal.verify()) == (0.0, {}, [])


def test_hostile_text_from_a_teacher_is_stored(journal):
    words = "nul \x00, quote ', \u2028 and \U0001f600"
    journal.apply([INTENT, Attempt(KEY, 1.0, 1.0, 500, "overloaded", words, None, words), ANSWER])
    journal.apply([Note("said", words)])
    (row,) = journal.export()
    assert row["attempts"][0]["error"].startswith("nul ")
    assert "\U0001f600" in journal.note("said")
    assert journal.verify() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE answers SET digest = 'forged'", "digest"),
        ("UPDATE requests SET sample = 7", "match its key"),
        ("DELETE FROM answers ", "answer is missing"),
        ("DELETE FROM requests ", "without a request"),
        ("UPDATE requests SET state = 'failed'", "not marked answered"),
    ],
)
def test_every_damage_is_found(journal, place, change, problem):
    journal.apply([INTENT, ANSWER])
    place.execute(change + " ")
    assert any(problem in found for found in journal.verify())


def test_notes_are_kept_and_forgotten(journal):
    journal.apply([Note("batch/1", "a"), Note("batch/2", "b"), Note("other", "c"), Note("other", "d")])
    journal.apply([Note("batch/1", None)])
    assert (journal.notes("batch/"), journal.note("other"), journal.note("none")) == ({"batch/2": "b"}, "d", None)


def test_a_note_is_swapped_by_who_still_finds_it_as_it_was_and_by_nobody_else(journal, place):
    other = place.open()
    journal.apply([Note("batch:1", "free")])
    assert journal.apply([Swap("batch:1", "free", "mine"), INTENT]) == ["claimed", "claimed"]
    assert other.apply([INTENT, Swap("batch:1", "free", "theirs"), Note("batch:2", "x")]) == ["held", "held", None]
    assert other.apply([Swap("batch:3", "free", "theirs")]) == ["held"]
    assert journal.notes("batch:") == {"batch:1": "mine", "batch:2": "x"}


def test_of_many_that_swap_a_note_at_once_one_does(place):
    journals = [place.open() for _ in range(8)]
    journals[0].apply([Note("batch:1", "free")])
    start, results = threading.Barrier(8), []

    def swap(number: int) -> None:
        start.wait()
        results.extend(journals[number].apply([Swap("batch:1", "free", f"of {number}")]))

    threads = [threading.Thread(target=swap, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["claimed"] + ["held"] * 7


def test_a_prefix_of_notes_is_no_pattern(journal):
    journal.apply([Note("a%b", "1"), Note("a_b", "2"), Note("axb", "3")])
    assert (journal.notes("a%"), journal.notes("a_")) == ({"a%b": "1"}, {"a_b": "2"})


def test_a_newer_journal_is_refused(journal, place):
    place.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    with pytest.raises(StoreError, match="version 99"):
        place.open()


def test_a_read_only_journal_is_never_created(place):
    with pytest.raises(StoreError):
        place.open(read_only=True)
    assert place.open().stats().answered == 0  # nothing was left behind that looks like a journal


def test_a_read_only_journal_cannot_be_written(journal, place):
    reader = place.open(read_only=True)
    with pytest.raises(StoreError):
        reader.apply([INTENT])
    assert reader.lookup([KEY]) == {}


def test_records_are_adopted_whole_and_twice_changes_nothing(journal, tmp_path):
    journal.apply([INTENT, *TRIES, ANSWER, intent_of(1), Failure(intent_of(1).key, "content_filter", "no", 1)])
    other = open_journal(str(tmp_path / "other.db"))
    assert [other.adopt(list(journal.records())), other.adopt(list(journal.records()))] == [1, 0]
    assert [journal.adopt(list(other.records())), list(other.export())] == [0, list(journal.export())]
    assert (other.stats(), other.verify()) == (journal.stats(), [])
    other.close()


def test_adopting_gives_an_answer_to_who_has_none_and_takes_none_away(journal, tmp_path):
    other = open_journal(str(tmp_path / "other.db"))
    other.apply([INTENT, ANSWER, intent_of(1)])
    journal.apply([intent_of(1), answer_of(intent_of(1).key), INTENT, Failure(KEY, "timeout", "late", 1)])
    assert journal.adopt(list(other.records())) == 1
    assert set(journal.lookup([KEY, intent_of(1).key])) == {KEY, intent_of(1).key}
    assert journal.verify() == []
    other.close()


def test_many_records_come_page_by_page_in_order(journal):
    intents = [intent_of(number) for number in range(1203)]
    journal.apply([*intents, *(answer_of(intent.key) for intent in intents)])
    keys = [record.intent.key for record in journal.records()]
    assert keys == sorted(intent.key for intent in intents)
    assert (len(journal.lookup(keys)), journal.verify()) == (1203, [])


def test_other_workers_are_counted(journal, place):
    other = place.open()
    assert (journal.workers(), place.open(read_only=True).workers()) == (1, 2)
    other.close()
    assert journal.workers() == 0
