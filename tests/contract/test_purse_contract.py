"""One purse for everybody who works on a run: what every journal must keep of money, whoever works or is killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_journal_contract import ANSWER, INTENT, TRIES, Place, place  # noqa: F401  (the fixture)

from distill.errors import BudgetExceededError
from distill.teachers.budget import Account, Budget
from distill.teachers.journal import Journal
from distill.teachers.journal.migrate import migrate
from distill.teachers.journal.protocol import Draw, Grant, Intent, PurseState, Spend
from distill.teachers.journal.writer import GroupWriter

SPENDER = Path(__file__).with_name("spend_me.py")


@pytest.fixture
def journal(place: Place) -> Journal:  # noqa: F811
    return place.open()


def draw(journal: Journal, least: float, most: float, holding: float = 0.0, limit: float = 10.0) -> Grant:
    (grant,) = journal.apply([Draw("run", limit, least, most, holding)])
    assert isinstance(grant, Grant)
    return grant


def test_a_draw_takes_what_is_left_and_no_more(journal, place):  # noqa: F811
    other = place.open()
    assert draw(journal, 1, 6).usd == 6
    assert draw(other, 1, 6) == Grant(4, 0, 6)
    assert draw(other, 5, 6, holding=2) == Grant(0, 0, 6)
    assert journal.purse("run") == PurseState(0, 8)
    assert journal.purse("another run") == PurseState(0, 0)


def test_what_is_spent_is_gone_and_what_is_given_back_is_there_again(journal, place):  # noqa: F811
    other = place.open()
    assert draw(journal, 1, 6).usd == 6
    journal.apply([INTENT, TRIES[1], ANSWER, Spend("run", 2.5)])
    assert journal.purse("run") == PurseState(2.5, 3.5)
    assert draw(journal, 0, 0) == Grant(0, 2.5, 0)
    assert draw(other, 1, 100) == Grant(7.5, 2.5, 0)


def test_results_come_in_the_order_of_the_writes(journal):
    writes = [
        Spend("run", 1.0),
        INTENT,
        Draw("run", 10, 1, 2, 0),
        Intent("f" * 64, 0, INTENT.request),
        Spend("run", 1.0),
    ]
    assert journal.apply(writes) == [None, "claimed", Grant(2, 1, 0), "claimed", None]


def test_a_purse_outlives_its_spenders_and_closing_gives_back_what_is_held(journal, place):  # noqa: F811
    draw(journal, 1, 6)
    journal.apply([Spend("run", 1.5)])
    journal.close()
    assert place.open(read_only=True).purse("run") == PurseState(1.5, 0)
    assert draw(place.open(), 8.5, 100).usd == 8.5
    assert draw(place.open(), 0.01, 1).usd == 0


def test_what_a_killed_process_held_counts_as_gone(journal, place):  # noqa: F811
    child = subprocess.Popen([sys.executable, SPENDER, place.url, "hold", "4"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert draw(journal, 7, 7) == Grant(0, 0, 4)
    child.kill()
    child.communicate()
    assert draw(journal, 7, 7) == Grant(0, 4, 0)
    assert draw(journal, 6, 6).usd == 6


def test_a_booking_may_be_taken_back(journal):
    journal.apply([Spend("run", 8.0)])
    assert draw(journal, 5, 5).usd == 0
    journal.apply([Spend("run", -8.0)])
    assert draw(journal, 5, 5).usd == 5


def test_a_migration_takes_purses_along(journal, place, tmp_path):  # noqa: F811
    from distill.teachers.journal import open_journal

    draw(journal, 1, 6)
    journal.apply([Spend("run", 1.5)])
    journal.close()
    target = open_journal(f"sqlite:///{tmp_path}/target.db")
    migrate(place.open(read_only=True), target)
    assert target.purse("run") == PurseState(1.5, 0)
    target.close()


@pytest.mark.parametrize("workers", [2, 4])
def test_processes_at_once_spend_the_budget_together_and_never_more(place, workers):  # noqa: F811
    place.open()
    commands = [[sys.executable, SPENDER, place.url, "spend", "1.0", str(seed)] for seed in range(workers)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    found = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    together = sum(one["spent"] for one in found)
    assert 0.9 < together <= 1.0 + 1e-9, found  # the last cent may be too little for another worst case
    assert all(one["stopped"] for one in found)
    assert place.open(read_only=True).purse("run") == PurseState(pytest.approx(together), 0)


def test_draws_are_few(journal):
    """A transaction per call would make the journal the bottleneck."""

    async def buy() -> tuple[int, int]:
        async with GroupWriter(journal) as writer:
            account, draws, write = Account(Budget(10.0, "run"), writer), 0, writer.write

            def counted(*writes: object) -> object:
                nonlocal draws
                draws += any(isinstance(one, Draw) for one in writes)
                return write(*writes)  # type: ignore[arg-type]

            writer.write = counted  # type: ignore[method-assign]
            for _ in range(1000):
                await account.reserve(0.01)
                account.settle(0.01, 0.002)
            await account.leave()
            return draws, 1000

    draws, calls = asyncio.run(buy())
    assert draws <= calls / 50


def test_a_waiting_call_goes_on_when_another_gives_back(journal):
    async def buy() -> float:
        async with GroupWriter(journal) as writer:
            account = Account(Budget(1.0, "run"), writer)
            await account.reserve(0.9)
            waiting = asyncio.create_task(account.reserve(0.5))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            account.settle(0.9, 0.1)
            writer.write(*account.spend(0.1))
            await asyncio.wait_for(waiting, 10)
            account.settle(0.5, 0.5)
            await writer.write(*account.spend(0.5))
            with pytest.raises(BudgetExceededError, match=r"raise teacher\.budget_usd"):
                await account.reserve(0.5)
            return journal.purse("run").spent_usd

    assert asyncio.run(buy()) == pytest.approx(0.6)


def test_what_comes_back_while_the_journal_is_asked_is_used(journal):
    """On a slow disk every call in flight may end while the purse is asked: what they gave back is enough."""

    async def buy() -> None:
        async with GroupWriter(journal) as writer:
            account, write = Account(Budget(1.0, "run"), writer), writer.write
            await account.reserve(0.9)

            async def write_slowly(*writes: object) -> object:
                results = await write(*writes)  # type: ignore[arg-type]
                if any(isinstance(one, Draw) for one in writes):
                    writer.write = write  # type: ignore[method-assign]
                    account.settle(0.9, 0.1)
                    await write(*account.spend(0.1))
                return results

            writer.write = write_slowly  # type: ignore[method-assign, assignment]
            await asyncio.wait_for(account.reserve(0.5), 10)

    asyncio.run(buy())
