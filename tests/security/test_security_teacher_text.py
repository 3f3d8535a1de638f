"""Hostile teacher text: whatever a teacher or its server says stays text."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.server import ThreadingHTTPServer

import pytest
from fakes.http_server import Handler, http_server
from fakes.report_data import make_report_data

from distill.cli.terminal import printable
from distill.errors import DistillError, TeacherError
from distill.records.completion import Message, TeacherRequest
from distill.reports.render import render_report
from distill.tasks import make_task
from distill.tasks.config import TaskConfig
from distill.tasks.prompts import render_student, render_teacher
from distill.teachers import wire
from distill.teachers.replies import read_reply
from distill.teachers.requests import wire_body
from distill.teachers.wire import WireTransport

HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7*7 }}\x1b]0;owned\x07\u202eevil ${HOME} `id` sk-live-abcdefgh1234"
TASKS = [
    TaskConfig(output="label", user="{{ text }}", labels=("a", "b")),
    TaskConfig(output="labels", user="{{ text }}", labels=("a", "b")),
    TaskConfig(output="json", user="{{ text }}"),
    TaskConfig(output="answer", user="{{ text }}", number=True),
    TaskConfig(output="text", user="{{ text }}"),
]


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def test_an_answer_adds_no_tag_to_the_report():
    data = make_report_data()
    tags = _Tags(render_report(replace(data, rows=(replace(data.rows[0], text=HOSTILE, student=HOSTILE),)))).found
    assert [tag for tag, _ in tags].count("script") == 2
    assert not any(name.startswith("on") for _, attributes in tags for name, _ in attributes)


def test_an_answer_is_never_a_template():
    config = TASKS[0]
    assert render_teacher(config, {"text": "{{ 7*7 }}{% raw %}"})[0].content == "{{ 7*7 }}{% raw %}"
    assert render_student(config, "1", {"text": "{{ labels }}"}).user == "{{ labels }}"


@pytest.mark.parametrize("config", TASKS, ids=lambda config: config.output)
@pytest.mark.parametrize("text", [HOSTILE, "[" * 100_000, '{"a":' * 50_000, "\x00" * 1000, "9" * 100_000, "\ud800"])
def test_parsing_an_answer_never_raises(config, text):
    parsed = make_task(config).parse(text)
    assert (parsed.error_kind is None) != (parsed.value is None)


def test_terminal_escapes_are_shown_not_obeyed():
    shown = printable(HOSTILE + "\x9b2J \x7f \x08")
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign == "\u202e" for sign in shown)
    assert "\\x1b]0;owned" in shown
    assert printable("ein Wort: Größe 中文 👍\n\tnext") == "ein Wort: Größe 中文 👍\n\tnext"


def test_an_error_with_a_servers_words_does_not_reach_the_terminal_raw(capsys, monkeypatch):
    from distill import cli

    def fail(*_: object, **__: object) -> None:
        raise DistillError("the teacher said: \x1b[2J\x1b]52;c;cm0gLXJm\x07 done")

    monkeypatch.setattr(cli.group, "main", fail)
    with pytest.raises(SystemExit):
        cli.main(["plan"])
    assert "\x1b" not in capsys.readouterr().err


class _Packed(Handler):
    def post(self) -> None:
        self.read_body()
        self.reply(self.server.reply, content_encoding="gzip")


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with http_server(_Packed) as served:
        yield served


def _ask(port: int) -> bytes:
    async def ask() -> bytes:
        transport = WireTransport(f"http://127.0.0.1:{port}/v1", "a-key", 1)
        try:
            request = TeacherRequest("openai", "m", (Message("user", "hi"),))
            return (await transport.send(wire_body(request, "max_tokens"), 20)).body
        finally:
            await transport.close()

    return asyncio.run(ask())


def test_a_packed_reply_that_unfolds_without_end_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(wire, "MAX_REPLY_BYTES", 2**20)
    server.reply = _packed(b"0" * 2**24)
    assert len(server.reply) < 2**15
    with pytest.raises(TeacherError, match="longer than 1048576 bytes") as failed:
        _ask(server.server_port)
    assert failed.value.kind == "malformed"
    server.reply = _packed(b"0" * 2**19)
    assert len(_ask(server.server_port)) == 2**19


def test_a_reply_of_any_shape_is_read_or_called_malformed():
    for body in (b"[" * 10**6, b'{"choices":[{"message":{"content":{"a":1}}}]}', json.dumps(HOSTILE).encode(), b"\xff"):
        assert read_reply(body).error_kind in (None, "malformed")


def _packed(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as file:
        file.write(data)
    return buffer.getvalue()
