"""Limits of the gateway, each with a real server and each broken once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web
from keyword_student import make_keyword_student
from live_gateway import body, completion, listening, post, run, upstream

from distill.serving.config import FallbackConfig, ServeConfig, UpstreamConfig
from distill.serving.gateway import Gateway
from distill.serving.upstream import HttpTeacher, UpstreamStudent

STUDENT = make_keyword_student()


def ask(payload: Any, **config: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with listening(Gateway(ServeConfig(**config), "production", STUDENT, None)) as client:
            return await post(client, payload)

    return run(go())


@pytest.mark.parametrize(
    ("config", "payload", "status", "code"),
    [
        ({"max_body_bytes": 1024}, body("refund " * 200), 413, "body_too_large"),
        ({"max_input_chars": 10}, body("refund refund"), 400, "context_length_exceeded"),
        ({"max_input_tokens": 3}, body("refund refund"), 400, "context_length_exceeded"),
        ({"max_output_tokens": 8}, body("refund", max_tokens=9), 400, "invalid_request"),
    ],
)
def test_each_limit_refuses_what_is_over_it_and_takes_it_without_the_limit(
    config: dict[str, Any], payload: dict[str, Any], status: int, code: str
) -> None:
    refused = ask(payload, **config)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert ask(payload).status_code == 200


def test_unknown_paths_and_methods_get_an_error_object() -> None:
    async def go() -> list[httpx.Response]:
        async with listening(Gateway(ServeConfig(), "production", STUDENT, None)) as client:
            return [await client.get("/v1/chat/completions"), await client.post("/v1/nothing", json={})]

    responses = run(go())
    assert [response.status_code for response in responses] == [405, 404]
    assert {response.json()["error"]["type"] for response in responses} == {"invalid_request_error"}


def test_a_body_that_trickles_gets_408() -> None:
    async def go() -> bytes:
        async with listening(Gateway(ServeConfig(body_timeout_s=0.2), "production", STUDENT, None)) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
            writer.write(head + b'{"model"')
            status = await reader.readline()
            writer.close()
            return status

    assert b" 408 " in run(go())


def test_no_answer_in_time_is_a_503_with_retry_after() -> None:
    slow = make_keyword_student(seconds=0.6)

    async def go() -> httpx.Response:
        config = ServeConfig(request_timeout_s=0.1, student_timeout_s=5)
        async with listening(Gateway(config, "production", slow, None)) as client:
            return await post(client, body("refund"))

    response = run(go())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "timeout")
    assert response.headers["retry-after"] == "1"


async def _stay(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def _garbage(request: web.Request) -> web.Response:
    return web.Response(body=b"<html>\xff\x00")


async def _half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices"')
    assert request.transport is not None
    request.transport.close()
    return response


async def _error(request: web.Request) -> web.Response:
    return web.Response(status=500, text="oops")


async def _wrong(request: web.Request) -> web.Response:
    return web.json_response(completion("no such label"))


async def _cut(request: web.Request) -> web.Response:
    return web.json_response(completion("refu", finish_reason="length"))


async def _good(request: web.Request) -> web.Response:
    return web.json_response(completion("delivery"))


FAULTS = {
    "slow": (_stay, "upstream_timeout"),
    "garbage": (_garbage, "upstream_malformed"),
    "half": (_half, "upstream_connection"),
    "error": (_error, "upstream_overloaded"),
    "wrong": (_wrong, "unknown_label"),
    "cut": (_cut, "truncated"),
}


@pytest.mark.parametrize("fault", [*FAULTS, "killed"])
@pytest.mark.parametrize("with_teacher", [False, True])
def test_a_bad_upstream_gives_the_teachers_answer_or_a_clean_503(fault: str, with_teacher: bool) -> None:
    handler, reason = FAULTS.get(fault, (_good, "upstream_connection"))

    async def go() -> httpx.Response:
        async with upstream(handler) as bad, upstream(_good) as good:
            url = "http://127.0.0.1:9/v1" if fault == "killed" else bad
            given = UpstreamConfig(base_url=url, timeout_s=0.3, logprobs=False)
            fallback = FallbackConfig(base_url=good, model="t")
            config = ServeConfig(upstream=given, fallback=fallback if with_teacher else None)
            teacher = HttpTeacher(fallback) if with_teacher else None
            gateway = Gateway(config, "production", STUDENT, teacher, engine=UpstreamStudent(given))
            async with listening(gateway) as client:
                return await post(client, body("hello"))

    response = run(go())
    if not with_teacher:
        assert (response.status_code, response.json()["error"]["code"]) == (503, "no_answer")
        assert response.headers["retry-after"] == "1"
        assert reason in response.json()["error"]["message"]
    else:
        assert (response.status_code, response.headers["x-distill-answered-by"]) == (200, "teacher")
        assert response.headers["x-distill-reason"] == reason
        assert json.loads(response.text)["choices"][0]["message"]["content"] == "delivery"


def test_log_probabilities_of_the_upstream_are_its_confidence() -> None:
    async def unsure(request: web.Request) -> web.Response:
        assert (await request.json())["logprobs"] is True
        return web.json_response(completion("refund", logprobs={"content": [{"token": "r", "logprob": -1.0}]}))

    async def go() -> httpx.Response:
        async with upstream(unsure) as url:
            given = UpstreamConfig(base_url=url)
            gateway = Gateway(ServeConfig(upstream=given), "production", STUDENT, None, engine=UpstreamStudent(given))
            async with listening(gateway) as client:
                return await post(client, body("hello"))

    response = run(go())
    assert response.headers["x-distill-confidence"] == "0.3679"
    assert response.headers["x-distill-reason"] == "low_confidence,fallback_off"


def test_a_thousand_callers_at_once_all_get_their_own_answer() -> None:
    async def ask_one(session: aiohttp.ClientSession, url: str, text: str) -> str:
        async with session.post(url, json=body(text)) as response:
            return f"{text}:{(await response.json())['choices'][0]['message']['content']}"

    async def go() -> list[str]:
        config = ServeConfig(student_timeout_s=60, request_timeout_s=60)
        async with (
            listening(Gateway(config, "production", STUDENT, None)) as client,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            url = f"{client.base_url}/v1/chat/completions"
            return await asyncio.gather(*(ask_one(session, url, ("refund", "delivery")[i % 2]) for i in range(1000)))

    answers = run(go())
    assert (len(answers), set(answers)) == (1000, {"refund:refund", "delivery:delivery"})
