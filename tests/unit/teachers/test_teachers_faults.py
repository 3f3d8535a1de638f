"""A server in trouble: each fault is survived or ends the purchase in one clear error, and what it cost is booked."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
import time
from pathlib import Path

import pytest

from distill.errors import TeacherError
from distill.teachers.journal.protocol import Intent

SECRET = "sk-test-0123456789abcdefghij"


@pytest.mark.parametrize(
    "fault", ["429", "429_retry", "500", "503", "reset", "slow", "invalid_json", "empty_choice", "no_choices", "html"]
)
def test_a_fault_on_the_first_try_loses_nothing(fault, serve, teach, orders):
    server = serve(f"{fault}=0.3,first=1,retry_after_s=0.05,timeout_s=0.2")
    teacher = teach(server.url)
    bought = teacher.buy(orders(teacher.config, 60))
    assert [c.text for c in bought] == ["refund", "delivery", "repair"] * 20
    struck = server.desk.fates[fault]
    assert struck > 5
    assert server.desk.asked.total() == 60 + struck - (0 if fault != "slow" else struck)


def test_a_timeout_is_retried_and_its_cost_assumed(serve, teach, orders):
    server = serve("timeout=0.2,first=1,timeout_s=30")
    teacher = teach(server.url, run={"request_timeout_s": 0.4})
    assert all(c.error_kind is None for c in teacher.buy(orders(teacher.config, 40)))
    assert teacher.ledger.attempts_by_error["timeout"] == server.desk.fates["timeout"] > 0
    assert teacher.ledger.assumed_usd == teacher.ledger.wasted_usd > 0


def test_a_refused_call_costs_nothing(serve, teach, orders):
    teacher = teach(serve("429_retry=0.3,first=1,retry_after_s=0.02").url)
    teacher.buy(orders(teacher.config, 40))
    assert teacher.ledger.refused_calls > 0
    assert teacher.ledger.wasted_usd == 0


def test_a_discarded_answer_is_booked_as_wasted(serve, teach, orders):
    teacher = teach(serve("empty_choice=0.4,first=1").url)
    teacher.buy(orders(teacher.config, 40))
    assert teacher.ledger.wasted_usd > 0
    assert teacher.ledger.assumed_usd == 0


def test_dollars_by_kind_add_up(serve, teach, orders):
    teacher = teach(serve("empty_choice=0.3,timeout=0.2,first=1,timeout_s=30").url, run={"request_timeout_s": 0.4})
    teacher.buy(orders(teacher.config, 40))
    by_kind = teacher.ledger.usd_by_kind
    assert {"input", "output", "discarded", "retried"} == set(by_kind)
    assert sum(by_kind.values()) == pytest.approx(teacher.ledger.usd)
    assert by_kind["retried"] == pytest.approx(teacher.ledger.assumed_usd)


def test_refusals_and_cut_answers_are_answers(serve, teach, orders):
    server = serve("refusal=0.3,truncated=0.3")
    teacher = teach(server.url)
    bought = teacher.buy(orders(teacher.config, 50))
    assert sum(c.refusal is not None for c in bought) == server.desk.fates["refusal"] > 0
    assert sum(c.finish_reason == "length" for c in bought) == server.desk.fates["truncated"] > 0
    assert all(c.error_kind is None for c in bought)


def test_missing_usage_is_estimated_and_marked(serve, teach, orders):
    teacher = teach(serve("no_usage=1").url)
    bought = teacher.buy(orders(teacher.config, 3))
    assert all(c.usage.estimated and c.usage.input_tokens > 0 for c in bought)
    assert teacher.ledger.estimated_calls == 3


def test_a_lasting_fault_ends_as_a_counted_error(serve, teach, orders):
    teacher = teach(serve("invalid_json=0.2").url)
    bought = teacher.buy(orders(teacher.config, 200, start=0))
    failed = [c for c in bought if c.error_kind is not None]
    assert {c.error_kind for c in failed} <= {"malformed"}
    assert teacher.ledger.errors.total() == len(failed)


def test_a_failed_row_is_asked_again_next_time(serve, teach, orders):
    server = serve("400=1,first=1")
    teacher = teach(server.url)
    assert {c.error_kind for c in teacher.buy(orders(teacher.config, 4))} == {"bad_request"}
    assert {c.error_kind for c in teacher.buy(orders(teacher.config, 4))} == {None}


@pytest.mark.parametrize(("fault", "kind"), [("401", "auth"), ("quota", "quota"), ("wrong_model", "wrong_model")])
def test_what_every_row_would_meet_ends_the_purchase(fault, kind, serve, teach, orders):
    server = serve(f"{fault}=1")
    teacher = teach(server.url)
    with pytest.raises(TeacherError) as failed:
        teacher.buy(orders(teacher.config, 200))
    assert (failed.value.kind, failed.value.exit_code) == (kind, 6)
    assert server.desk.asked.total() <= 16


def test_another_model_is_taken_when_allowed_and_reported(serve, teach, orders):
    teacher = teach(serve("wrong_model=1").url, allow_model_mismatch=True)
    bought = teacher.buy(orders(teacher.config, 3))
    assert {c.model_served for c in bought} == {"another-model-2020-01-01"}
    assert teacher.ledger.models_served["another-model-2020-01-01"] == 3


def test_a_server_that_only_fails_opens_the_breaker(serve, teach, orders, monkeypatch):
    monkeypatch.setattr("distill.teachers.throttle._BREAKER_FIRST_S", 0.01)
    server = serve("503=1")
    teacher = teach(server.url)
    with pytest.raises(TeacherError, match="has not answered") as failed:
        teacher.buy(orders(teacher.config, 200))
    assert failed.value.kind == "overloaded"
    assert server.desk.asked.total() < 60


@pytest.mark.parametrize("fault", ["key_echo=0.5,first=1", "401=1", "key_echo=1"])
def test_the_key_is_nowhere_even_when_echoed(fault, serve, teach, orders, monkeypatch, caplog):
    monkeypatch.setenv("TEST_TEACHER_KEY", SECRET)
    monkeypatch.setattr("distill.teachers.throttle._BREAKER_FIRST_S", 0.01)
    teacher = teach(serve(fault).url)
    try:
        words = str(teacher.buy(orders(teacher.config, 30)))
    except TeacherError as error:
        words = str(error)
    stored = str(list(teacher.journal.export()))
    teacher.journal.close()
    files = b"".join(path.read_bytes() for path in Path(teacher.runtime.state_dir).iterdir())
    assert SECRET not in words + stored + caplog.text
    assert SECRET.encode() not in files


def test_structured_output_falls_back_where_a_server_refuses_it(serve, teach, orders):
    server = serve("no_schema")
    teacher = teach(server.url)
    shaped = [
        type(o)(o.id, 0, type(o.request)(**_fields(o.request) | {"response_format": {"type": "json_object"}}))
        for o in orders(teacher.config, 40)
    ]
    assert all(c.text for c in teacher.buy(shaped))
    assert server.desk.answered.total() == 40


def _fields(request):
    return {name: getattr(request, name) for name in request.__slots__}


def test_interrupt_stops_at_once_and_keeps_what_was_answered(serve, teach, orders):
    server = serve(latency_ms=100)
    teacher = teach(server.url)
    threading.Timer(0.6, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        teacher.buy(orders(teacher.config, 2000))
    assert server.desk.answered.total() < 1500
    assert teacher.journal.stats().answered == server.desk.answered.total()
    assert teacher.journal.stats().unsettled == 0


def test_an_interrupt_in_a_notebook_stops_the_purchase_in_its_thread(serve, teach, orders):
    server = serve(latency_ms=100)
    teacher = teach(server.url)

    async def cell() -> None:
        threading.Timer(0.6, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        teacher.buy(orders(teacher.config, 2000))

    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert server.desk.answered.total() < 1500
    assert teacher.journal.stats().unsettled == 0


def test_an_interrupt_while_claims_are_written_gives_them_back(serve, teach, orders, monkeypatch):
    teacher = teach(serve(latency_ms=5).url)
    write, claims = teacher.journal.apply, []

    def interrupted(writes, *, durable):
        fresh = [w for w in writes if isinstance(w, Intent)]
        claims.extend(fresh)
        if fresh and len(claims) == 128:  # once: a second interrupt would mean "now, whatever it costs"
            _thread.interrupt_main()
            time.sleep(0.3)  # the claims are written after the purchase has been told to end
        return write(writes, durable=durable)

    monkeypatch.setattr(teacher.journal, "apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teacher.buy(orders(teacher.config, 2000))
    assert len(claims) >= 128
    assert teacher.journal.stats().unsettled == 0
