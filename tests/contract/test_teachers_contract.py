"""Both clients send the same bytes and map the same trouble to the same error: the thin path is held to `openai`."""

# ruff: noqa: E501
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from fakes.http_server import Handler, http_server, url_of

from distill.errors import TeacherError
from distill.records.completion import Message, TeacherRequest
from distill.teachers.failures import classify
from distill.teachers.replies import read_reply
from distill.teachers.requests import wire_body
from distill.teachers.sdk import SdkTransport
from distill.teachers.wire import WireTransport

CLIENTS = {"wire": lambda url: WireTransport(url, "a-key", 4), "openai": lambda url: SdkTransport(url, "a-key")}
GOOD = b'{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
SHAPE = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "z": [1, None]}, "strict": False},
}
REQUESTS = {
    "plain": TeacherRequest("openai", "m", (Message("user", "hello"),)),
    "full": TeacherRequest("openai", "m", (Message("system", "b"), Message("user", "hello")), 0.5, 64, 5, SHAPE),
    "unicode": TeacherRequest("openai", "m", (Message("user", 'ü "q" \u2028 \U0001f600 \\ \n \x00'),), None, 8),
}


class _Scripted(Handler):
    def post(self) -> None:
        body = self.read_body()
        self.server.seen.append((self.path, dict(self.headers), body))
        status, reply = self.server.reply
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", "7")
        self.send_header("content-length", str(len(reply) + (50 if status == 299 else 0)))
        self.end_headers()
        self.wfile.write(reply)
        self.close_connection = status == 299


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with http_server(_Scripted) as served:
        served.seen, served.reply = [], (200, GOOD)
        yield served


def _ask(client: str, url: str, request: TeacherRequest):
    async def ask():
        transport = CLIENTS[client](url)
        try:
            return await transport.send(wire_body(request, "max_tokens"), 5)
        finally:
            await transport.close()

    return asyncio.run(ask())


def _url(server: ThreadingHTTPServer) -> str:
    return url_of(server, "/v1")


@pytest.mark.parametrize("name", list(REQUESTS))
def test_both_clients_send_the_same_bytes(name, server):
    replies = [_ask(client, _url(server), REQUESTS[name]) for client in CLIENTS]
    (path, headers, body), (sdk_path, sdk_headers, sdk_body) = server.seen
    assert path == sdk_path == "/v1/chat/completions"
    assert body == sdk_body
    for header in ("Authorization", "Content-Type", "Accept"):
        assert headers[header] == {k.title(): v for k, v in sdk_headers.items()}[header]
    assert replies[0].body == replies[1].body == GOOD
    assert read_reply(replies[0].body).text == "yes"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504])
def test_both_clients_map_a_refusal_to_the_same_error(status, server):
    server.reply = (status, b'{"error":{"message":"no","code":"c"}}')
    wire, sdk = (classify(_ask(client, _url(server), REQUESTS["plain"])) for client in CLIENTS)
    assert (wire.kind, wire.status, wire.retry_after_s, str(wire)) == (
        sdk.kind,
        sdk.status,
        sdk.retry_after_s,
        str(sdk),
    )
    assert wire.retry_after_s == 7
    assert len(server.seen) == 2  # neither client retries by itself


@pytest.mark.parametrize("status", [0, 299])
def test_both_clients_call_a_broken_connection_a_connection_error(status, server):
    server.reply = (status, GOOD)
    for client in CLIENTS:
        with pytest.raises(TeacherError) as failed:
            _ask(client, _url(server), REQUESTS["plain"])
        assert (type(failed.value), failed.value.kind) == (TeacherError, "connection")


@pytest.mark.parametrize("client", list(CLIENTS))
def test_a_dead_port_is_told_from_a_cut_line(client):
    with pytest.raises(TeacherError, match="cannot reach") as failed:
        _ask(client, "http://127.0.0.1:9/v1", REQUESTS["plain"])
    assert (type(failed.value).__name__, failed.value.kind) == ("UnreachedError", "connection")
