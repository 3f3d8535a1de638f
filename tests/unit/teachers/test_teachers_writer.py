"""Commit and fsync are two steps: a worker goes on after the first, an answer is handed on after the second."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from distill.errors import StoreError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.teachers.journal import open_journal
from distill.teachers.journal.protocol import Answer, Intent
from distill.teachers.journal.sqlite import SqliteJournal
from distill.teachers.journal.writer import GroupWriter, Hurry


def pair_of(number: int) -> tuple[Intent, Answer]:
    request = TeacherRequest("openai", "m", (Message("user", f"message {number}"),))
    key = request.key()
    return Intent(key, 0, request), Answer(key, b"{}", "m-1", None, None, Usage(1, 0, 1), 0.01, 1.0, 1)


class SlowDisk(SqliteJournal):
    """A journal whose disk takes nothing before it is told to."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.opened = threading.Event()
        self.syncs = 0
        self.broken = False

    def sync(self) -> None:
        assert self.opened.wait(30)
        self.syncs += 1
        if self.broken:
            raise StoreError("the disk is gone")
        super().sync()


@pytest.fixture
def disk(tmp_path) -> Iterator[SlowDisk]:
    journal = SlowDisk(tmp_path / "journal.db")
    yield journal
    journal.opened.set()
    journal.close()


def test_writes_are_written_before_the_disk_took_them_and_durable_after(disk):
    async def main() -> tuple[bool, list[object]]:
        async with GroupWriter(disk) as writer:
            posted = writer.post(*pair_of(1))
            await posted.written
            early = posted.durable.done()
            disk.opened.set()
            return early, await posted.durable

    assert asyncio.run(main()) == (False, ["claimed", None])


def test_one_fsync_serves_all_that_was_written_meanwhile(disk):
    async def main() -> None:
        async with GroupWriter(disk) as writer:
            posts = []
            for number in range(20):
                posts.append(writer.post(*pair_of(number)))
                await posts[-1].written
            disk.opened.set()
            for post in posts:
                await post.durable

    asyncio.run(main())
    assert 1 <= disk.syncs <= 2
    assert disk.stats().answered == 20


def test_a_disk_that_refuses_is_told_to_who_waits_for_it(disk):
    disk.broken = True

    async def main() -> None:
        async with GroupWriter(disk) as writer:
            posted = writer.post(*pair_of(1))
            await posted.written
            disk.opened.set()
            with pytest.raises(StoreError, match="gone"):
                await posted.durable

    asyncio.run(main())


def test_leaving_the_writer_waits_for_the_disk(disk):
    async def main() -> asyncio.Future[object]:
        async with GroupWriter(disk) as writer:
            posted = writer.post(*pair_of(1))
            threading.Timer(0.1, disk.opened.set).start()
        return posted.durable

    assert asyncio.run(main()).done()


@pytest.fixture
def usual_s() -> Iterator[float]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before)


def test_threads_take_turns_quickly_until_the_last_writer_is_done(usual_s):
    hurry = Hurry()
    hurry.begin()
    hurry.begin()
    hurry.end()
    assert sys.getswitchinterval() < usual_s / 2
    hurry.end()
    assert sys.getswitchinterval() == usual_s


def test_a_writer_makes_threads_take_turns_quickly(disk, usual_s):
    async def look() -> float:
        async with GroupWriter(disk):
            return sys.getswitchinterval()

    disk.opened.set()
    assert asyncio.run(look()) < usual_s


def test_a_fault_of_the_journal_reaches_who_waits_instead_of_hanging(disk, monkeypatch):
    def faulty(writes: object, *, durable: bool) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(disk, "apply", faulty)
    disk.opened.set()

    async def main() -> None:
        async with GroupWriter(disk) as writer:
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(writer.write(*pair_of(1)), 10)

    asyncio.run(main())


def test_after_a_failed_fsync_no_later_one_counts(tmp_path, monkeypatch):
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.apply(list(pair_of(1)), durable=False)

    def refuse(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("distill.teachers.journal.sqlite._DATASYNC", refuse)
        with pytest.raises(StoreError, match="Input/output"):
            journal.sync()
    with pytest.raises(StoreError, match="did not take"):
        journal.sync()
    journal.close()


def test_every_durable_write_reaches_the_disk_and_an_open_one_does_not(tmp_path, monkeypatch):
    synced: list[str] = []

    def note(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))

    monkeypatch.setattr("distill.teachers.journal.sqlite._DATASYNC", note)
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.apply(list(pair_of(1)), durable=False)
    assert synced == []
    journal.apply(list(pair_of(2)))
    assert synced == [str(tmp_path / "journal.db-wal")]
    journal.close()


def test_an_answer_is_handed_on_only_when_it_is_on_the_disk(serve, teach, orders):
    teacher = teach(serve(latency_ms=5).url, run={"concurrency": 4})
    sync, gate, handed = teacher.journal.sync, threading.Event(), []
    blocked = threading.Event()

    def slow() -> None:
        if teacher.journal.stats().answered:
            blocked.set()
            assert gate.wait(30)
        sync()

    teacher.journal.sync = slow
    buying = threading.Thread(target=teacher.pour, args=(orders(teacher.config, 40), lambda i, _: handed.append(i)))
    buying.start()
    assert blocked.wait(30)
    buying.join(0.5)
    answered = teacher.journal.stats().answered
    assert handed == []
    assert 4 <= answered <= 4 + 4 + 2  # one for each worker, as many waiting, one in hand
    gate.set()
    buying.join(30)
    assert sorted(handed) == list(range(40))


def test_a_killed_process_loses_nothing_that_was_written(tmp_path):
    program = (
        "import os, signal, sys\nsys.path.insert(0, sys.argv[2])\n"
        "from test_teachers_writer import pair_of\nfrom distill.teachers.journal import open_journal\n"
        "journal = open_journal(sys.argv[1])\njournal.apply(list(pair_of(1)), durable=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = str(tmp_path / "journal.db")
    dead = subprocess.run([sys.executable, "-c", program, path, str(Path(__file__).parent)], timeout=60)
    assert dead.returncode == -9
    journal = open_journal(path)
    assert (journal.stats().answered, journal.verify()) == (1, [])
    journal.close()
