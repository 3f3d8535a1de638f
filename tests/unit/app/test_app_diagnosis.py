"""`distill doctor`: what is so and what to do; keys are named, never shown; a dead network is a warning."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from fakes.http_server import Handler, http_server, url_of

from distill.app.diagnosis import _word_nvidia, diagnose
from distill.app.findings import Finding
from distill.app.reachability import check_network
from distill.config import load_config
from distill.teachers.config import TeacherConfig
from distill.teachers.rehearsal.process import rehearsal_process

ROOT = Path(__file__).parents[3]
SECRET = "sk-test-doctor-0123456789"


class _Hub(Handler):
    skew_s = 0.0

    def head(self) -> None:
        self.send_response_only(404)
        self.send_header("Date", formatdate(1_800_000_000 + self.skew_s, usegmt=True))
        self.end_headers()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http_server(_Hub) as server:
        monkeypatch.setenv("HF_ENDPOINT", url_of(server))
        yield


def _by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_a_hub_that_answers_and_a_right_clock_are_ok(hub):
    found = _by_subject(check_network(None, now=lambda: 1_800_000_010.0))
    assert (found["hub"].status, found["clock"].status) == ("ok", "ok")


@pytest.mark.parametrize(("now", "word"), [(1_800_000_600.0, "600 s fast"), (1_799_999_000.0, "1000 s slow")])
def test_a_wrong_clock_is_told_with_its_way(hub, now, word):
    clock = _by_subject(check_network(None, now=lambda: now))["clock"]
    assert clock.status == "warn"
    assert word in clock.message


def test_a_dead_hub_is_a_warning_that_says_where_models_come_from(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = _by_subject(check_network(None))
    assert found["hub"].status == "warn"
    assert "package index" in found["hub"].message
    assert "not checked" in found["clock"].message


def test_a_strange_hub_address_is_not_opened(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc/passwd")
    assert "not an http(s) address" in _by_subject(check_network(None))["hub"].message


def test_a_teacher_that_answers_is_ok_and_its_key_is_nowhere(hub, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    files = [ROOT / "examples" / "tickets" / "heldout.jsonl"]
    with rehearsal_process(TeacherConfig(model="gpt-5.4-2026-03-05", knowledge_answer="intent"), files) as url:
        overrides = [f"teacher.base_url={url}", "teacher.terms.training_on_outputs=allowed"]
        findings = check_network(load_config(ROOT / "configs" / "banking77.yaml", overrides, {}))
    assert _by_subject(findings)["teacher gpt-5.4-2026-03-05"].status == "ok"
    assert SECRET not in str(findings)


def test_terms_that_nobody_looked_up_fail_before_any_money(hub, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    findings = check_network(load_config(ROOT / "configs" / "banking77.yaml", [], {}))
    teacher = _by_subject(findings)["teacher gpt-5.4-2026-03-05"]
    assert teacher.status == "fail"
    assert "terms" in teacher.message


def test_offline_asks_nobody_and_names_the_config_s_key(tmp_path, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    text = (ROOT / "configs" / "banking77.yaml").read_text().replace("OPENAI_API_KEY", "MY_KEY")
    (tmp_path / "banking77.labels.txt").write_text("a\nb\n")
    (tmp_path / "mine.yaml").write_text(text)
    found = _by_subject(diagnose(tmp_path / "mine.yaml", tmp_path, offline=True))
    assert "hub" not in found
    assert "is not set" in found["MY_KEY"].message
    assert found[str(tmp_path / "mine.yaml")].status == "ok"


def test_a_broken_config_fails_with_its_own_words(tmp_path):
    (tmp_path / "bad.yaml").write_text("nme: x\n")
    found = _by_subject(diagnose(tmp_path / "bad.yaml", tmp_path, offline=True))
    assert "did you mean 'name'" in found[str(tmp_path / "bad.yaml")].message


def test_white_space_around_a_key_is_found_and_the_key_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRET}\n")
    findings = diagnose(None, tmp_path, offline=True)
    assert "white space" in _by_subject(findings)["OPENAI_API_KEY"].message
    assert SECRET not in str(findings)


def test_a_cpu_build_beside_a_gpu_is_told():
    assert _word_nvidia("2.13.0+cpu").status == "warn"
    assert _word_nvidia("2.13.0+cu130").status == "ok"
    assert _word_nvidia(None).status == "ok"
