"""Buying: every order ends as a completion, in order, and nothing is bought twice."""

from __future__ import annotations

import sqlite3
import time

import pytest

from distill.errors import BudgetExceededError, TeacherError
from distill.teachers import Budget, Order
from distill.teachers.journal.protocol import Flight, Intent
from distill.teachers.journal.sqlite import SqliteJournal


def test_answers_come_in_the_order_of_the_orders(serve, teach, orders):
    teacher = teach(serve().url)
    bought = teacher.buy(orders(teacher.config, 100))
    assert [c.id for c in bought] == [f"row-{i}" for i in range(100)]
    assert [c.text for c in bought] == ["refund", "delivery", "repair"] * 33 + ["refund"]
    assert teacher.ledger.calls == 100


def test_second_purchase_sends_nothing_and_gives_the_same(serve, teach, orders):
    server = serve()
    teacher = teach(server.url)
    first = teacher.buy(orders(teacher.config, 50))
    assert teacher.buy(orders(teacher.config, 50)) == first
    assert server.desk.asked.total() == 50
    assert teacher.ledger.journal_hits == 50


def test_one_more_row_buys_one_and_a_changed_row_only_itself(serve, teach, orders):
    server = serve()
    teacher = teach(server.url)
    teacher.buy(orders(teacher.config, 20))
    teacher.buy(orders(teacher.config, 21))
    assert server.desk.asked.total() == 21
    changed = orders(teacher.config, 21)
    changed[3] = orders(teacher.config, 1, start=150)[0]
    teacher.buy(changed)
    assert server.desk.asked.total() == 22


def test_equal_requests_are_bought_once(serve, teach, orders):
    server = serve(latency_ms=20)
    teacher = teach(server.url)
    request = orders(teacher.config, 1)[0].request
    bought = teacher.buy([Order(f"twin-{i}", 0, request) for i in range(30)])
    assert {c.text for c in bought} == {"refund"}
    assert server.desk.asked.total() == 1


def test_samples_are_bought_apart_and_differ_above_zero_temperature(serve, teach, orders):
    server = serve()
    teacher = teach(server.url, temperature=1.5)
    request = orders(teacher.config, 1)[0].request
    bought = teacher.buy([Order("row", sample, request) for sample in range(40)])
    assert server.desk.asked.total() == 40
    assert len({c.text for c in bought}) > 1


def test_recorded_answers_are_never_sent(serve, teach, orders):
    server = serve()
    teacher = teach(server.url)
    given = [Order(o.id, 0, o.request, recorded="delivery") for o in orders(teacher.config, 5)]
    bought = teacher.buy(given)
    assert [c.text for c in bought] == ["delivery"] * 5
    assert all(c.usage.estimated and c.cost_usd == 0 for c in bought)
    assert server.desk.asked.total() == 0


def test_replay_counts_what_the_recording_lacks(teach, orders):
    teacher = teach("http://127.0.0.1:9/v1", provider="replay")
    with_answer, without = orders(teacher.config, 2)
    bought = teacher.buy([Order("a", 0, with_answer.request, recorded="refund"), without])
    assert [(c.text, c.error_kind) for c in bought] == [("refund", None), ("", "not_recorded")]


def test_log_probabilities_come_through_and_are_stored(serve, teach, orders):
    teacher = teach(serve().url, top_logprobs=2)
    first = teacher.buy(orders(teacher.config, 3))
    assert first[0].logprobs is not None
    assert first[0].logprobs.sampled_tokens == ("refund",)
    assert len(first[0].logprobs.tokens[0]) == 2
    assert first[0].logprobs.logprobs[0][0] == pytest.approx(-0.105, abs=0.01)
    assert teacher.buy(orders(teacher.config, 3)) == first


def test_budget_stops_before_the_limit_and_the_purchase_resumes(serve, teach, orders):
    server = serve()
    teacher = teach(server.url)
    with pytest.raises(BudgetExceededError) as stop:
        teacher.buy(orders(teacher.config, 200), budget=Budget(0.002))
    assert stop.value.exit_code == 5
    assert 0 < teacher.ledger.usd <= 0.002
    bought = server.desk.asked.total()
    assert 10 < bought < 200
    assert len(teacher.buy(orders(teacher.config, 200), budget=Budget(None))) == 200
    assert server.desk.asked.total() == 200


def test_an_order_that_cannot_be_paid_is_not_sent(serve, teach, orders):
    server = serve()
    teacher = teach(server.url, max_output_tokens=1_000_000)
    with pytest.raises(BudgetExceededError, match="budget_usd"):
        teacher.buy(orders(teacher.config, 3), budget=Budget(0.5))
    assert server.desk.asked.total() == 0


def test_concurrency_is_never_passed(serve, teach, orders):
    server = serve(latency_ms=10)
    teach(server.url, run={"concurrency": 5}).buy(orders(teach(server.url).config, 100))
    assert server.desk.most_in_flight == 5


def test_the_rate_stated_in_the_config_is_kept(serve, teach, orders):
    import time

    teacher = teach(serve().url, limits={"requests_per_minute": 600, "tokens_per_minute": 10**9})
    begun = time.monotonic()
    teacher.buy(orders(teacher.config, 120))
    assert time.monotonic() - begun >= 1.9  # a burst of 100, then 10 a second


def test_progress_ends_at_the_total(serve, teach, orders):
    teacher = teach(serve().url)
    seen = []
    teacher.buy(orders(teacher.config, 30), on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].errors) == (30, 30, 0)


def test_dead_port_is_one_clear_error_and_costs_nothing(teach, orders):
    teacher = teach("http://127.0.0.1:9/v1")
    with pytest.raises(TeacherError, match="cannot reach the teacher at") as failed:
        teacher.check()
    assert failed.value.kind == "connection"
    assert teacher.ledger.usd == 0


def test_two_purchases_at_once_buy_each_answer_once(serve, teach, orders):
    import threading

    server = serve(latency_ms=5)
    first, second = teach(server.url), teach(server.url)
    results: dict[str, list[object]] = {}
    threads = [
        threading.Thread(target=lambda n=n, t=t: results.__setitem__(n, t.buy(orders(t.config, 200))))
        for n, t in (("a", first), ("b", second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.desk.asked.total() == 200
    assert [c.text for c in results["a"]] == [c.text for c in results["b"]]


def test_nothing_unsent_stays_in_the_journal_after_a_stop(serve, teach, orders):
    teacher = teach(serve().url)
    with pytest.raises(BudgetExceededError):
        teacher.buy(orders(teacher.config, 200), budget=Budget(0.001))
    stats = teacher.journal.stats()
    assert stats.unsettled == 0
    db = sqlite3.connect(teacher.journal.path)
    assert db.execute("SELECT count(*) FROM requests").fetchone()[0] == stats.answered
    db.close()


def test_calls_that_a_killed_process_had_under_way_are_in_the_ledger_once(serve, teach, orders):
    teacher = teach(serve().url)
    wanted = orders(teacher.config, 10)
    killed = SqliteJournal(teacher.journal.path, clock=lambda: time.time() - 1000)
    killed.apply([Flight("a", 3), *(Intent(one.request.key(), 0, one.request) for one in wanted)])
    teacher.buy(wanted)
    teacher.buy(orders(teacher.config, 20))
    assert teacher.ledger.to_json()["outcome_unknown"] == 3
    assert (teacher.ledger.calls, teacher.journal.stats().outcome_unknown) == (20, 3)
    killed.close()


def test_where_nobody_was_killed_the_ledger_says_nothing_of_it(serve, teach, orders):
    teacher = teach(serve().url)
    teacher.buy(orders(teacher.config, 5))
    assert "outcome_unknown" not in teacher.ledger.to_json()
    assert teacher.journal.notes("flight:") == {}
