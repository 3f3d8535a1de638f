"""A real gateway serves, logs and audits; `log costs`, `monitor` and `report --live` read back what that cost."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from keyword_student import make_keyword_student
from live_gateway import body, completion, listening, post, run, upstream

from distill.app.live import check_channel
from distill.app.results import open_results
from distill.errors import UsageError
from distill.monitoring.config import MonitorConfig
from distill.records.live import ServedRequest
from distill.serving.config import FallbackConfig, LogConfig, ServeConfig, ShadowConfig
from distill.serving.gateway import Gateway
from distill.serving.request_log import RequestLog
from distill.serving.upstream import HttpTeacher

CALL_USD = 3 * 0.001 + 1 * 0.002
TEXTS = ["a refund"] * 6 + ["hello"] * 3 + ["hello garbled"]


async def teach(request: web.Request) -> web.Response:
    asked = (await request.json())["messages"][-1]["content"]
    return web.json_response(completion("@@@" if "garbled" in asked else "refund"))


async def serve_texts(state_dir: Path, texts: list[str], *, priced: bool) -> None:
    """Six sure answers, three handed on, one handed on in vain: the teacher's answer does not parse, but is paid."""
    price = {"input_usd_per_million": 1000.0, "output_usd_per_million": 2000.0} if priced else {}
    async with upstream(teach) as url:
        fallback = FallbackConfig.model_validate({"base_url": url, "model": "big", **price})
        config = ServeConfig(fallback=fallback, shadow=ShadowConfig(rate=1.0))
        gateway = Gateway(config, "production", make_keyword_student(), HttpTeacher(fallback))
        log = RequestLog(state_dir / "requests.db", LogConfig())
        async with listening(gateway, log=log) as client:
            replies = await asyncio.gather(*(post(client, body(text)) for text in texts))
    assert {reply.status_code for reply in replies} == {200}


@pytest.fixture
def served(project: Any, cli: Any, request: pytest.FixtureRequest) -> Any:
    """A run whose costs are known, promoted and served; False leaves the gateway without prices."""
    directory = project.add_run("r1", of="cascade")
    facts = json.loads((directory / "run.json").read_text())
    facts["config"]["costs"] = {"student": {"usd_per_hour": 0.36, "utilisation": 1.0}}
    (directory / "run.json").write_text(json.dumps(facts))
    measured = {"throughput_per_s": 100.0}
    costs = {"student": measured, "one_off": {"total_usd": 0.02}, "teacher": {"per_1k_usd": None}}
    (directory / "costs.json").write_text(json.dumps(costs))
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    run(serve_texts(project.state_dir, TEXTS, priced=getattr(request, "param", True)))
    return project


def places(project: Any) -> tuple[object, ...]:
    return ("--state-dir", project.state_dir, "--runs-dir", project.runs_dir)


def test_the_log_says_what_was_paid_and_saved(served, cli) -> None:
    (found,) = json.loads(cli("log", "costs", "production", "--json", *places(served)).out)["versions"]
    assert (found["version"], found["run"]) == ("production@1", "r1")
    assert (found["requests"], found["by_student"], found["by_teacher"]) == (10, 7, 3)
    assert (found["teacher_calls"], found["teacher_usd"]) == (4, pytest.approx(4 * CALL_USD))
    assert (found["audits"], found["audit_usd"]) == (6, pytest.approx(6 * CALL_USD))
    assert found["student_usd"] == pytest.approx(10 * 1e-6)
    assert found["all_teacher_usd"] == pytest.approx(10 * CALL_USD)
    assert found["saving_usd"] == pytest.approx(-10 * 1e-6)  # everything was audited
    assert found["break_even"]["state"] == "pays_back"


def test_the_line_for_people_names_share_dollars_and_pay_back(served, cli) -> None:
    shown = cli("log", "costs", "production", *places(served)).out
    assert "the student answered 70.0\u202f% of 10 requests" in shown.replace("\u2009", "\u202f")
    assert "teacher $0.0200, audits $0.0300" in shown
    assert "pays back after" in shown


def test_other_assumptions_are_flags(served, cli) -> None:
    arguments = ("log", "costs", "production", "--json", *places(served), "--set", "costs.student.usd_per_hour=36")
    (found,) = json.loads(cli(*arguments).out)["versions"]
    assert found["student_usd"] == pytest.approx(10 * 1e-4)
    wrong = cli("log", "costs", "production", *places(served), "--set", "costs.student.usd_per_houl=36")
    assert (wrong.code, "usd_per_houl" in wrong.err) == (2, True)


def test_a_change_is_read_as_any_other_override(served, cli) -> None:
    torn = cli("log", "costs", "production", *places(served), "--set", "costs.seed=[")
    assert torn.code == 2
    assert "--set costs.seed" in torn.err
    assert "not YAML" in torn.err


def test_the_monitor_says_the_same_and_only_reads_on(served, cli) -> None:
    (whole,) = json.loads(cli("log", "costs", "production", "--json", *places(served)).out)["versions"]
    arguments = ("monitor", "production", "--once", "--json", *places(served))
    assert json.loads(cli(*arguments).out)["costs"] == whole
    run(serve_texts(served.state_dir, ["a refund"], priced=True))
    again = json.loads(cli(*arguments).out)
    assert (again["costs"]["requests"], again["costs"]["audits"]) == (11, 7)
    assert "spend" not in again
    assert "costs    production@1: the student answered" in cli("monitor", "production", "--once", *places(served)).out


def test_the_report_gets_a_section_and_the_artifact_stays_as_it_is(served, cli, tmp_path: Path) -> None:
    page = tmp_path / "live.html"
    assert cli("report", "r1", "--live", "-o", page, "--runs-dir", served.runs_dir).code == 0
    text = page.read_text(encoding="utf-8")
    assert "report of r1" in text
    assert 'id="live"' in text
    assert "production@1" in text
    plain = tmp_path / "plain.html"
    cli("report", "r1", "-o", plain, "--runs-dir", served.runs_dir)
    assert 'id="live"' not in plain.read_text(encoding="utf-8")


def test_a_notebook_gets_them_per_version_and_under_other_assumptions(served) -> None:
    results = open_results("r1", served.runs_dir)
    (found,) = results.live_costs({"student.usd_per_hour": 36})
    assert (found["version"], found["student_usd"]) == ("production@1", pytest.approx(10 * 1e-4))
    with pytest.raises(UsageError, match="no request to a student of run r1"):
        results.live_costs(days=1e-9)


@pytest.mark.parametrize("served", [False], indirect=True)
def test_a_gateway_without_prices_leaves_the_dollars_unknown(served, cli) -> None:
    (found,) = json.loads(cli("log", "costs", "production", "--json", *places(served)).out)["versions"]
    unknown = ("teacher_usd", "audit_usd", "system_usd", "all_teacher_usd", "saving_usd", "saving_share")
    assert [found[name] for name in unknown] == [None] * 6
    assert (found["student_share"], found["unpriced_calls"]) == (0.7, 4)
    shown = cli("log", "costs", "production", *places(served)).out
    assert "teacher unknown" in shown
    assert "set fallback.input_usd_per_million" in shown


def test_a_version_whose_run_is_gone_says_so(served, cli, tmp_path: Path) -> None:
    shown = cli("log", "costs", "production", "--state-dir", served.state_dir, "--runs-dir", tmp_path / "none").out
    assert "the run behind this version is not here" in shown


def test_who_only_reads_the_log_deletes_nothing(project) -> None:
    """The gateway may keep rows for longer than the default; so may it not be the monitor that drops them."""
    project.add_run("r1")
    log = RequestLog(project.state_dir / "requests.db", LogConfig(retention_days=900))
    log.add(ServedRequest("old", time.time() - 400 * 86_400, "production", "production@1", "m", "student", 200, 1.0))
    log.close()
    from distill.engine.channels import Channels

    Channels(project.state_dir).move("production", "x", expected_version=0, who="ada", why="x")
    check_channel("production", project.state_dir, MonitorConfig())
    log = RequestLog(project.state_dir / "requests.db", LogConfig(retention_days=900))
    assert [row.request_id for row in log.requests("production")] == ["old"]
    log.close()
