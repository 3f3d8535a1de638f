"""Batch mode against the rehearsal server's files and batches: paid at half price, bought once, whatever befalls."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from distill.errors import BudgetExceededError, TeacherError, UsageError
from distill.teachers import Budget, Order, open_journal

SCRIPT = Path(__file__).with_name("batch_me.py")


@pytest.fixture(autouse=True)
def _poll_fast(monkeypatch):
    monkeypatch.setattr("distill.teachers.batches.purchase._FIRST_POLL_S", 0.01)
    monkeypatch.setattr("distill.teachers.batches.purchase._MOST_POLL_S", 0.05)
    monkeypatch.setattr("distill.teachers.batches.service._FIRST_PAUSE_S", 0.01)


def texts(bought):
    return [c.text for c in bought]


def expected(count):
    return [("refund", "delivery", "repair")[i % 3] for i in range(count)]


def test_a_batch_brings_every_answer_at_half_price(serve, teach, orders, tmp_path):
    server = serve()
    batch, realtime = teach(server.url, mode="batch"), teach(server.url, run={"state_dir": tmp_path / "elsewhere"})
    bought = batch.buy(orders(batch.config, 30))
    assert texts(bought) == expected(30)
    assert server.desk.fates["answered"] == 0
    ledger = batch.ledger
    assert (ledger.calls, ledger.batch_calls, ledger.usd) == (30, 30, ledger.batch_usd)
    whole = batch.price.cost(bought[0].usage)
    assert bought[0].cost_usd == pytest.approx(whole / 2)
    assert realtime.price == batch.price


def test_realtime_and_batch_share_their_answers(serve, teach, orders):
    server = serve()
    realtime, batch = teach(server.url), teach(server.url, mode="batch")
    realtime.buy(orders(realtime.config, 10))
    assert texts(batch.buy(orders(batch.config, 30))) == expected(30)
    assert server.desk.asked.total() == 30
    again = teach(server.url)
    assert texts(again.buy(orders(again.config, 30))) == expected(30)
    assert (server.desk.asked.total(), again.ledger.journal_hits) == (30, 30)


def test_the_latency_of_a_batch_is_unknown_and_never_zero(serve, teach, orders):
    server = serve()
    batch = teach(server.url, mode="batch")
    asked = orders(batch.config, 6)
    assert {c.latency_ms for c in batch.buy(asked)} == {None}
    realtime = teach(server.url)
    later = realtime.buy(orders(realtime.config, 9))
    assert [c.latency_ms is None for c in later] == [True] * 6 + [False] * 3


def test_urgent_orders_do_not_wait_for_a_batch(serve, teach, orders):
    server = serve("batch_polls=1000000")
    teacher = teach(server.url, mode="batch")
    assert texts(teacher.buy(orders(teacher.config, 5), urgent=True)) == expected(5)


def test_equal_requests_are_one_line(serve, teach, orders):
    server = serve()
    teacher = teach(server.url, mode="batch")
    request = orders(teacher.config, 1)[0].request
    bought = teacher.buy([Order(f"twin-{i}", 0, request) for i in range(5)])
    assert [c.id for c in bought] == [f"twin-{i}" for i in range(5)]
    assert server.desk.asked.total() == 1


def test_an_expired_batch_keeps_what_it_finished_and_only_the_rest_goes_again(serve, teach, orders):
    server = serve("batch_expire=0.6")
    teacher = teach(server.url, mode="batch")
    assert texts(teacher.buy(orders(teacher.config, 20))) == expected(20)
    assert server.desk.asked.total() == 20
    assert set(server.desk.asked.values()) == {1}


def test_failed_lines_go_again_and_lasting_ones_end_as_counted_errors(serve, teach, orders):
    server = serve("500=0.4,first=1")
    teacher = teach(server.url, mode="batch")
    assert texts(teacher.buy(orders(teacher.config, 20))) == expected(20)
    assert max(server.desk.asked.values()) == 2
    lasting = serve("500=1")
    hopeless = teach(lasting.url, mode="batch", model="gpt-test-2026-01-02")
    bought = hopeless.buy(orders(hopeless.config, 5))
    assert {c.error_kind for c in bought} == {"overloaded"}
    assert hopeless.ledger.errors["overloaded"] == 5
    assert max(lasting.desk.asked.values()) <= 4


def test_a_cancelled_batch_keeps_its_answers_and_the_next_run_buys_the_rest(serve, teach, orders):
    server = serve("batch_cancel=0.5")
    teacher = teach(server.url, mode="batch")
    with pytest.raises(TeacherError, match="cancelled at the provider; the 10 answers"):
        teacher.buy(orders(teacher.config, 20))
    assert texts(teacher.buy(orders(teacher.config, 20))) == expected(20)
    assert set(server.desk.asked.values()) == {1}


def test_a_refused_file_is_one_clear_error(serve, teach, orders):
    teacher = teach(serve("batch_fail").url, mode="batch")
    with pytest.raises(TeacherError, match="the file was refused"):
        teacher.buy(orders(teacher.config, 3))
    assert texts(teacher.buy(orders(teacher.config, 3))) == expected(3)


def test_chunks_keep_the_providers_limit(serve, teach, orders, monkeypatch):
    monkeypatch.setattr("distill.teachers.batches.purchase.MOST_REQUESTS", 7)
    server = serve("batch_most=7")
    teacher = teach(server.url, mode="batch")
    assert texts(teacher.buy(orders(teacher.config, 30))) == expected(30)
    monkeypatch.setattr("distill.teachers.batches.purchase.MOST_BYTES", 100)
    with pytest.raises(TeacherError, match="larger than a batch may be"):
        teacher.buy(orders(teacher.config, 1, start=100))


def test_the_budget_is_set_aside_for_the_whole_batch(serve, teach, orders):
    server = serve()
    teacher = teach(server.url, mode="batch")
    budget = Budget(0.0015)
    with pytest.raises(BudgetExceededError):
        teacher.buy(orders(teacher.config, 200), budget=budget)
    purse = teacher.journal.purse(budget.purse)
    assert 0 < purse.spent_usd <= 0.0015
    assert purse.held_usd == pytest.approx(0, abs=1e-9)
    bought = server.desk.asked.total()
    assert 10 < bought < 200
    assert len(teacher.buy(orders(teacher.config, 200), budget=Budget(None))) == 200
    assert server.desk.asked.total() == 200


def test_structured_output_falls_back_in_batches_too(serve, teach, orders):
    server = serve("no_schema")
    teacher = teach(server.url, mode="batch", structured="auto")
    shape = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    fields = lambda r: {name: getattr(r, name) for name in r.__slots__}  # noqa: E731
    shaped = [Order(o.id, 0, type(o.request)(**fields(o.request) | {"response_format": shape}))
              for o in orders(teacher.config, 6)]  # fmt: skip
    assert texts(teacher.buy(shaped)) == expected(6)


@pytest.mark.slow
def test_an_interrupted_wait_goes_on_in_the_next_purchase(serve, teach, orders, monkeypatch):
    server = serve("batch_polls=3")
    teacher = teach(server.url, mode="batch")
    _stop_at_second_look(monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        teacher.buy(orders(teacher.config, 12))
    monkeypatch.undo()
    assert texts(teacher.buy(orders(teacher.config, 13))) == expected(13)
    assert set(server.desk.asked.values()) == {1}
    assert teacher.journal.verify() == []
    assert teacher.journal.notes("batch:") == {}


def test_realtime_does_not_buy_what_a_batch_under_way_will_bring(serve, teach, orders, monkeypatch):
    server = serve("batch_polls=3")
    teacher, realtime = teach(server.url, mode="batch"), teach(server.url)
    _stop_at_second_look(monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        teacher.buy(orders(teacher.config, 12))
    with pytest.raises(UsageError, match="under way"):
        realtime.buy(orders(realtime.config, 12))
    assert len(realtime.buy(orders(realtime.config, 3, start=50))) == 3


def _stop_at_second_look(monkeypatch):
    from distill.teachers.batches.service import BatchService

    look, looks = BatchService.look, []

    async def stop(self, batch_id):
        looks.append(batch_id)
        if len(looks) > 1:
            raise asyncio.CancelledError
        return await look(self, batch_id)

    monkeypatch.setattr(BatchService, "look", stop)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["upload", "create", "look"])
def test_a_killed_process_leaves_its_batch_to_the_next_one(moment, serve, tmp_path):
    """Killed right after the provider did it and before anybody here could note it."""
    server = serve("batch_polls=2")
    assert _code(_start(server.url, tmp_path, moment)) == -9
    assert _said(_start(server.url, tmp_path))["answered"] == 40
    assert set(server.desk.asked.values()) == {1}
    journal = open_journal(str(tmp_path / "journal.db"))
    assert (journal.verify(), journal.stats().answered, journal.notes("batch:")) == ([], 40, {})
    journal.close()


@pytest.mark.slow
def test_two_processes_that_find_one_orphaned_batch_count_it_once(serve, tmp_path):
    """Both have read that nobody minds it before either could say that it does."""
    server = serve("batch_polls=2")
    assert _code(_start(server.url, tmp_path, "create")) == -9
    both = [_start(server.url, tmp_path, "never", name, rows=rows) for name, rows in (("first", 40), ("second", 50))]
    said = [_said(child) for child in both]
    assert [one["answered"] for one in said] == [40, 50]
    assert set(server.desk.asked.values()) == {1}
    assert sum(one["calls"] for one in said) == 50
    assert sum(one["hits"] for one in said) == 40
    journal = open_journal(str(tmp_path / "journal.db"))
    assert (journal.verify(), journal.stats().answered, journal.notes("batch:")) == ([], 50, {})
    spent = sum(one["usd"] for one in said)
    assert (journal.stats().usd, journal.purse("the run").spent_usd) == (pytest.approx(spent), pytest.approx(spent))
    journal.close()


@pytest.mark.slow
def test_what_one_leaves_of_a_batch_the_other_that_waits_takes_over(serve, tmp_path):
    server = serve("batch_polls=6")
    assert _code(_start(server.url, tmp_path, "create")) == -9
    waiting = _start(server.url, tmp_path, "never", "first")
    dying = _start(server.url, tmp_path, "look", "second")
    said = _said(waiting)
    assert (said["answered"], said["calls"]) == (40, 40)
    assert _code(dying) in (0, -9)  # 0 where it was the other that adopted the batch first
    assert set(server.desk.asked.values()) == {1}


def _start(url: str, state: Path, moment: str = "never", *meets: str, rows: int = 40) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(SCRIPT), url, str(state), str(rows), moment, *meets]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _code(child: subprocess.Popen[bytes]) -> int:
    child.communicate(timeout=120)
    return child.returncode


def _said(child: subprocess.Popen[bytes]) -> dict[str, float]:
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 0
    return json.loads(out)
