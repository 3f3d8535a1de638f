"""Commands that run beside traffic: the stand-alone teacher, the gateway's config, the monitor, the journal."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from distill.app.live import Target, find_target, make_serve_config, read_section
from distill.app.runs import read_run
from distill.errors import ConfigError, UsageError
from distill.records.live import Audit, ServedRequest
from distill.serving.config import LogConfig, ServeConfig
from distill.serving.request_log import RequestLog


def test_teacher_serve_answers_as_an_openai_server(repo_root: Path) -> None:
    knowledge = repo_root / "examples" / "tickets" / "heldout.jsonl"
    command = [sys.executable, "-m", "distill", "teacher", "serve", "--knowledge", str(knowledge), "--answer", "intent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            with urllib.request.urlopen(f"{where['url']}/models", timeout=30) as reply:
                models = json.load(reply)["data"]
            row = json.loads(knowledge.read_text().splitlines()[0])
            body = {"model": "rehearsal", "messages": [{"role": "user", "content": row["text"]}]}
            request = urllib.request.Request(
                f"{where['url']}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as reply:
                answer = json.load(reply)["choices"][0]["message"]["content"]
        finally:
            process.kill()
    assert [model["id"] for model in models] == ["rehearsal"]
    assert answer == row["intent"]


def test_an_unknown_fault_is_refused_before_serving(cli, tmp_path: Path) -> None:
    refused = cli("teacher", "serve", "--knowledge", tmp_path / "none.jsonl", "--faults", "4299=1")
    assert (refused.code, "4299" in refused.err) == (2, True)


def serve_history(state: Path, version: str, agreed: bool) -> None:
    log = RequestLog(state / "requests.db", LogConfig())
    now = time.time() + 1
    for i in range(200):
        log.add(ServedRequest(f"q{i}", now, "production", version, "student", "student", 200, 20.0, text=f"hello {i}"))
        log.add(Audit(f"q{i}", now, "production", version, "shadow", agreed, "a"))
    log.close()


@pytest.mark.parametrize(("agreed", "status", "code"), [(True, "healthy", 0), (False, "unhealthy", 3)])
def test_monitors_word_is_the_exit_code(agreed: bool, status: str, code: int, project, cli) -> None:
    project.add_run("r1")
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    serve_history(project.state_dir, "production@1", agreed)
    health = cli("monitor", "production", "--once", "--json", "--state-dir", project.state_dir)
    assert (health.code, json.loads(health.out)["status"]) == (code, status)


def test_no_data_is_never_healthy(project, cli) -> None:
    project.add_run("r1")
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    health = cli("monitor", "production", "--once", "--state-dir", project.state_dir)
    assert health.code == 4
    assert "no data: production@1" in health.out


def test_a_channel_comes_before_a_run_of_the_same_name(project, cli) -> None:
    project.add_run("r1", of="cascade")
    cli("promote", "r1", "--channel", "r1", "--runs-dir", project.runs_dir)
    target = find_target("r1", project.state_dir, project.runs_dir)
    assert (target.channel, target.student_dir, target.system) == ("r1", None, "cascade")
    assert target.run is not None
    assert find_target(str(target.run.directory), project.state_dir, project.runs_dir).channel is None


def test_the_fallback_is_the_runs_own_teacher(project) -> None:
    run = read_run(project.add_run("r1"))
    teacher = {"provider": "openai", "model": "big", "price": {"input": 2.0, "output": 8.0}, "api_key_env": "BIG_KEY"}
    bought = type(run)(run.directory, {**run.facts, "config": {"teacher": teacher}})
    target = Target(run.state_dir, "production", None, bought, "cascade")
    config = make_serve_config(target, ServeConfig(), host="::1", port=0, fallback=True)
    assert (config.host, config.port) == ("::1", 0)
    assert config.fallback is not None
    assert (config.fallback.model, config.fallback.api_key_env) == ("big", "BIG_KEY")
    assert config.fallback.output_usd_per_million == 8.0


def test_a_rehearsal_teacher_is_no_fallback(project) -> None:
    run = read_run(project.add_run("r1"))
    facts = {**run.facts, "config": {"teacher": {"provider": "rehearsal", "model": "m"}}}
    target = Target(run.state_dir, None, run.directory, type(run)(run.directory, facts), "student")
    with pytest.raises(UsageError, match="nobody can ask"):
        make_serve_config(target, ServeConfig(), host=None, port=None, fallback=True)


def test_mistakes_of_a_gateway_file_have_their_place(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text("port: 9000\nfallback:\n  modell: big\n")
    with pytest.raises(ConfigError) as raised:
        read_section(path, ServeConfig)
    assert f"{path}:3:3: fallback.modell" in str(raised.value)
    path.write_text("port: 9000\nmodels: [big]\n")
    assert read_section(path, ServeConfig).models == ("big",)


@pytest.fixture
def journal(repo_root: Path, tmp_path: Path) -> tuple[object, ...]:
    """A journal with one bought answer, and the arguments that name it."""
    from distill.records.completion import Message, TeacherRequest, Usage
    from distill.teachers.journal import Answer, Intent, open_journal

    request = TeacherRequest("rehearsal", "m", (Message("user", "hello"),))
    key = request.key(0)
    book = open_journal(f"sqlite:///{tmp_path / 'journal.db'}")
    book.apply([Intent(key, 0, request)])
    book.apply([Answer(key, b'{"id": "1"}', "m", None, None, Usage(10, 0, 5), 0.5, 3.0, 1)])
    book.close()
    return (repo_root / "configs" / "tiny.yaml", "--state-dir", tmp_path)


def test_the_journal_is_shown_and_exported(journal: tuple[object, ...], cli) -> None:
    assert json.loads(cli("journal", "verify", *journal, "--json").out) == {"whole": True, "answers": 1, "problems": []}
    assert json.loads(cli("journal", "stats", *journal, "--json").out)["usd"] == 0.5
    lines = cli("journal", "export", *journal).out.splitlines()
    assert [json.loads(line)["answer"]["raw"] for line in lines] == ['{"id": "1"}']


def test_a_changed_answer_fails_verification(journal: tuple[object, ...], cli, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("UPDATE answers SET raw = ?", (b'{"id": "2"}',))
    db.close()
    checked = cli("journal", "verify", *journal)
    assert (checked.code, "does not match its digest" in checked.out) == (1, True)


def test_an_absent_journal_is_not_made(repo_root: Path, cli, tmp_path: Path) -> None:
    assert cli("journal", "stats", repo_root / "configs" / "tiny.yaml", "--state-dir", tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_log_is_counted_and_exported_under_the_names_of_its_run(project, cli, tmp_path: Path) -> None:
    project.add_run("r1")
    cli("promote", "r1", "--runs-dir", project.runs_dir)
    where = ("--state-dir", project.state_dir)
    assert cli("log", "stats", "production", *where).code == 2
    log = RequestLog(project.state_dir / "requests.db", LogConfig())
    for i in range(3):
        columns = {"text": f"hello {i}"}
        log.add(
            ServedRequest(f"q{i}", time.time(), "production", "production@1", "s", "student", 200, 2.0, columns=columns)
        )
    log.close()
    assert json.loads(cli("log", "stats", "production", *where, "--json").out)["rows"][0]["requests"] == 3
    out = tmp_path / "next.jsonl"
    done = cli("log", "export", "production", *where, "--runs-dir", project.runs_dir, "-o", out, "--limit", 2)
    assert (done.code, len(out.read_text().splitlines())) == (0, 2)
    empty = cli("log", "export", "staging", *where, "-o", out)
    assert (empty.code, "no request of channel 'staging'" in empty.err) == (2, True)


def test_channels_show_when_teacher_and_base_are_switched_off(project, cli) -> None:
    run = project.add_run("r1")
    facts = json.loads((run / "run.json").read_text())
    facts["config"]["teacher"]["sunset"] = "2030-01-02"
    (run / "run.json").write_text(json.dumps(facts))
    cli("promote", "r1", "--runs-dir", project.runs_dir, "--base-sunset", "2031-03-04")
    shown = json.loads(cli("channels", "--state-dir", project.state_dir, "--json").out)["production"][0]
    assert shown["metadata"]["sunset"] == {"teacher": "2030-01-02", "base": "2031-03-04"}
    told = " ".join(cli("channels", "--state-dir", project.state_dir).out.split())
    assert "2030-01-02" in told
