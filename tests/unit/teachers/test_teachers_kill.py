"""SIGKILL at random moments: the next run goes on, and sends again at most what was in flight."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill.teachers import open_journal

SCRIPT = Path(__file__).with_name("kill_me.py")
CONCURRENCY = 32


def _start(url: str, state: Path, rows: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), url, str(state), str(rows)], stdout=subprocess.PIPE)


def _kill_after_some_answers(server, child: subprocess.Popen[bytes], answers: int) -> None:
    goal = server.desk.answered.total() + answers
    while server.desk.answered.total() < goal and child.poll() is None:
        time.sleep(0.002)
    child.kill()
    child.communicate()
    time.sleep(0.1)  # the server is done with what was in flight


def _kills(serve, state: Path, rows: int, kills: int) -> None:
    server = serve(latency_ms=10, count=rows)
    rng = random.Random(7)
    for _ in range(kills):
        _kill_after_some_answers(server, _start(server.url, state, rows), rng.randint(1, rows // (kills + 1)))
    last = _start(server.url, state, rows)
    said, _ = last.communicate(timeout=120)
    assert (last.returncode, said.decode().strip()) == (0, str(rows))
    sent_again = server.desk.asked.total() - rows
    assert 0 <= sent_again <= CONCURRENCY * kills
    assert max(server.desk.asked.values()) <= kills + 1
    journal = open_journal(str(state / "journal.db"))
    assert journal.verify() == []
    assert journal.stats().answered == rows
    assert journal.stats().unsettled == 0
    assert sent_again <= journal.stats().outcome_unknown <= CONCURRENCY * kills
    journal.close()


def test_three_kills_over_300_rows(serve, tmp_path):
    _kills(serve, tmp_path, rows=300, kills=3)


@pytest.mark.slow
def test_twenty_kills_over_2000_rows(serve, tmp_path):
    _kills(serve, tmp_path, rows=2000, kills=20)


def test_a_killed_run_does_not_hold_the_next_one_up(serve, tmp_path):
    server = serve(latency_ms=200, count=40)
    _kill_after_some_answers(server, _start(server.url, tmp_path, 40), 1)
    begun = time.monotonic()
    last = _start(server.url, tmp_path, 40)
    last.communicate(timeout=60)
    assert last.returncode == 0
    assert time.monotonic() - begun < 20  # far below the lease of a claim


def test_two_processes_at_once_buy_each_answer_once(serve, tmp_path):
    server = serve(latency_ms=5, count=300)
    both = [_start(server.url, tmp_path, 300) for _ in range(2)]
    said = [child.communicate(timeout=120)[0].decode().strip() for child in both]
    assert said == ["300", "300"]
    assert set(server.desk.asked.values()) == {1}


def test_when_one_of_two_processes_is_killed_the_other_takes_over_its_claims(serve, tmp_path):
    server = serve(latency_ms=20, count=300)
    victim, other = (_start(server.url, tmp_path, 300) for _ in range(2))
    _kill_after_some_answers(server, victim, 60)
    said, _ = other.communicate(timeout=120)
    assert (other.returncode, said.decode().strip()) == (0, "300")
    assert server.desk.asked.total() <= 300 + CONCURRENCY
