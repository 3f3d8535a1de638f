"""Many machines, one bill: workers with nothing in common but the journal, each with `distill run --until generate`."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small_project import Project, make_project

from distill.teachers.config import TeacherConfig
from distill.teachers.journal import open_journal
from distill.teachers.rehearsal.process import rehearsal_process

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
ROWS = 110
CONCURRENCY = 8
COMMAND = ("run", "small.yaml", "--until", "generate")


@contextmanager
def teacher_for(*workers: Project, journal: str, latency_ms: int) -> Iterator[str]:
    """Start one teacher and point every worker at it and at the journal."""
    config = TeacherConfig(model="tickets-recorded-answers", knowledge_answer="intent")
    with rehearsal_process(config, [workers[0].directory / "rows.jsonl"], latency_ms=latency_ms) as url:
        for worker in workers:
            worker.config["teacher"] |= {"provider": "openai", "base_url": url, "knowledge": []}
            worker.config["runtime"] = {"concurrency": CONCURRENCY, "journal": journal}
            worker.write()
        yield url.removesuffix("/v1")


def count_asked(url: str) -> int:
    with urllib.request.urlopen(url + "/debug/counters") as reply:
        return sum(json.load(reply)["asked"].values())


def test_two_workers_at_once_buy_every_row_once_and_end_with_the_same(tmp_path: Path, database_url: str):
    first, second = make_project(tmp_path / "host-1"), make_project(tmp_path / "host-2")
    with teacher_for(first, second, journal=database_url, latency_ms=30) as url:
        children = [worker.start(*COMMAND) for worker in (first, second)]
        ends = [(child.communicate(timeout=120), child.returncode) for child in children]
        assert [code for _, code in ends] == [0, 0], ends
        assert count_asked(url) == ROWS
    assert first.table("generate", "completions") == second.table("generate", "completions")
    assert not list(tmp_path.rglob("journal.db"))


def test_a_killed_workers_rows_are_bought_by_the_other_and_nothing_else_again(tmp_path: Path, database_url: str):
    doomed, other = make_project(tmp_path / "host-1"), make_project(tmp_path / "host-2")
    with teacher_for(doomed, other, journal=database_url, latency_ms=150) as url:
        child, survivor = doomed.start(*COMMAND), other.start(*COMMAND)
        while count_asked(url) < ROWS // 2 and child.poll() is None:
            time.sleep(0.01)
        child.kill()
        child.communicate()
        out, err = survivor.communicate(timeout=120)
        assert survivor.returncode == 0, out + err
        sent = count_asked(url)
        assert 0 <= sent - ROWS <= CONCURRENCY  # at most what was in flight when it was killed
        assert doomed.call(*COMMAND)[0] == 0
        assert count_asked(url) == sent  # the one that comes back pays nothing
    journal = open_journal(database_url, read_only=True)
    assert (journal.stats().answered, journal.stats().unsettled, journal.verify()) == (ROWS, 0, [])
    journal.close()
    assert doomed.table("generate", "completions") == other.table("generate", "completions")


def test_two_workers_share_one_budget(tmp_path: Path, database_url: str):
    first, second = make_project(tmp_path / "host-1"), make_project(tmp_path / "host-2")
    with teacher_for(first, second, journal=database_url, latency_ms=30) as url:
        children = [worker.start(*COMMAND, "--budget", "0.03") for worker in (first, second)]
        ends = [(child.communicate(timeout=120), child.returncode) for child in children]
        assert [code for _, code in ends] == [5, 5], ends
        assert 16 < count_asked(url) < ROWS
        journal = open_journal(database_url, read_only=True)
        assert 0.02 < journal.stats().usd <= 0.03
        journal.close()
        assert first.call(*COMMAND, "--budget", "5")[0] == 0
        assert count_asked(url) == ROWS
