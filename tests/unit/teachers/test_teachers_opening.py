"""Opening and checking: what can be known before a cent is spent."""

# ruff: noqa: E501
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from distill.errors import DataError, TeacherError
from distill.records.completion import Message, Usage
from distill.teachers import TeacherConfig, build_requests, estimate, find_price, open_teacher, provider_identity
from distill.teachers.prices import Price


@pytest.fixture
def rehearsal(tmp_path):
    rows = [{"id": str(i), "text": f"row {i}", "gold": "no"} for i in range(5)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    answers = [{"id": str(i), "answer": {"b": 1, "a": i}} for i in range(5)]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, answers)), encoding="utf-8")
    return TeacherConfig.model_validate(
        {"provider": "rehearsal", "model": "stand-in", "knowledge": ["rows.jsonl", "answers.jsonl"],
         "price": {"input": 1, "output": 1}}
    )  # fmt: skip


def test_the_rehearsal_is_a_process_that_ends_with_the_context(rehearsal, runtime, tmp_path, orders):
    from distill.teachers import Order

    request = build_requests([(Message("user", "row 3"),)], rehearsal)[0]
    with open_teacher(rehearsal, runtime, resolve=tmp_path) as teacher:
        assert teacher.check().listed
        assert teacher.buy([Order("3", 0, request)])[0].text == '{"a":3,"b":1}'
    with pytest.raises(TeacherError):
        teacher.check()


def test_the_rehearsal_dies_with_its_parent(rehearsal, runtime, tmp_path):
    code = (
        "import sys,time,json\nfrom pathlib import Path\nfrom distill.teachers import *\n"
        "from distill.records.runtime import RuntimeConfig\n"
        "c=TeacherConfig.model_validate_json(sys.argv[1]); p=Path(sys.argv[2])\n"
        "with open_teacher(c, RuntimeConfig(state_dir=p), resolve=p) as t:\n print(t.base_url, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, rehearsal.model_dump_json(), str(tmp_path)], stdout=-1)
    url = parent.stdout.readline().decode().strip()
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    import urllib.request

    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url + "/models", timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the server outlived its parent")


def test_missing_knowledge_is_one_clear_line(rehearsal, runtime, tmp_path):
    broken = rehearsal.model_copy(update={"knowledge": ("nowhere.jsonl",)})
    with pytest.raises(DataError, match=r"nowhere\.jsonl"), open_teacher(broken, runtime, resolve=tmp_path):
        pass


def test_a_missing_key_is_named(config, runtime):
    with pytest.raises(TeacherError, match="TEST_TEACHER_KEY") as failed, open_teacher(config, runtime):
        pass
    assert failed.value.kind == "auth"


@pytest.mark.parametrize(("word", "match"), [("forbidden", "forbid"), ("unstated", "not stated")])
def test_terms_must_allow_training(word, match, serve, teach):
    teacher = teach(serve().url, terms={"training_on_outputs": word})
    with pytest.raises(TeacherError, match=match):
        teacher.check()
    teacher.check(training=False)


def test_a_model_past_its_day_is_refused_and_days_left_are_told(serve, teach):
    with pytest.raises(TeacherError, match="switched off since 2020-01-01"):
        teach(serve(shutdown_date="2020-01-01").url).check()
    standing = teach(serve(shutdown_date="2999-01-01").url).check()
    assert standing.days_left > 300_000


def test_an_unknown_price_is_never_zero(config):
    with pytest.raises(TeacherError, match="price") as failed:
        find_price(config.model_copy(update={"price": "auto", "model": "no-such-model"}))
    assert failed.value.kind == "price_unknown"


def test_the_price_book_knows_a_pinned_snapshot(config):
    price = find_price(config.model_copy(update={"price": "auto", "model": "gpt-5-mini"}))
    assert price.output > price.input > price.cached_input > 0
    assert price.as_of


def test_an_estimate_spends_nothing_and_knows_the_journal(serve, teach, orders):
    server = serve()
    teacher = teach(server.url)
    bought = orders(teacher.config, 10)
    before = estimate([o.request for o in bought], teacher.config, runtime=teacher.runtime)
    teacher.buy(bought[:4])
    after = estimate([o.request for o in bought], teacher.config, runtime=teacher.runtime)
    assert (before.calls, after.calls, after.journal_hits) == (10, 6, 4)
    assert before.usd_low < before.usd_high
    assert before.usd_low <= 10 / 4 * teacher.ledger.usd <= before.usd_high


def test_a_port_is_no_part_of_who_answers(config):
    a, b = (config.model_copy(update={"base_url": f"http://gpu-1:{port}/v1"}) for port in (8000, 8001))
    assert provider_identity(a) == provider_identity(b) == "openai@gpu-1"


def test_a_price_splits_by_kind_of_token():
    price = Price(1.0, 0.1, 4.0, 0.5, "test")
    usage = Usage(1000, 400, 300, 100)
    assert price.split(usage) == {"input": 6e-4, "cached_input": 4e-5, "output": 8e-4, "reasoning": 4e-4}
    assert sum(price.split(usage).values()) == pytest.approx(price.cost(usage))
    assert price.split(usage, batch=True) == {"batch": pytest.approx(price.cost(usage) / 2)}
