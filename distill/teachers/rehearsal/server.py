"""The HTTP face of the rehearsal teacher: chat completions, models, files and batches, and what was asked so far."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from distill.records.json import Json
from distill.teachers.rehearsal.answers import complete, envelope, prompt_of
from distill.teachers.rehearsal.batches import BatchDesk
from distill.teachers.rehearsal.faults import FaultPlan
from distill.teachers.rehearsal.knowledge import Knowledge


@dataclass(slots=True)
class Desk:
    """The server's state: what it knows, how it misbehaves, and how often each prompt was asked and answered."""

    knowledge: Knowledge
    model: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    latency_s: float = 0.0
    shutdown_date: str | None = None
    asked: Counter[str] = field(default_factory=Counter[str])
    answered: Counter[str] = field(default_factory=Counter[str])
    fates: Counter[str] = field(default_factory=Counter[str])
    in_flight: int = 0
    most_in_flight: int = 0
    window: int = -1
    taken: float = 0.0

    def is_over_rate(self, now: float) -> bool:
        """Count one request against the rate limit's current window."""
        if not self.faults.rps:
            return False
        window = int(now / self.faults.window_s)
        if window != self.window:
            self.window, self.taken = window, 0.0
        if self.taken + 1 > self.faults.rps * self.faults.window_s:
            return True
        self.taken += 1
        return False


def build_app(desk: Desk) -> Starlette:
    """Build the application around a desk."""
    batches = BatchDesk(lambda body: _batched(desk, body), desk.faults.batch)

    async def chat(request: Request) -> Response:
        desk.in_flight += 1
        desk.most_in_flight = max(desk.most_in_flight, desk.in_flight)
        try:
            return await _chat(desk, request)
        finally:
            desk.in_flight -= 1

    async def models(_: Request) -> Response:
        model: dict[str, Json] = {"id": desk.model, "object": "model", "created": 0, "owned_by": "distill-rehearsal"}
        if desk.shutdown_date is not None:
            model["shutdown_date"] = desk.shutdown_date
        return JSONResponse({"object": "list", "data": [model]})

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "rehearsal": True})

    async def counters(_: Request) -> Response:
        return JSONResponse({"asked": desk.asked, "answered": desk.answered, "fates": desk.fates,
                             "most_in_flight": desk.most_in_flight, "batches": batches.sent})  # fmt: skip

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/health", health),
            Route("/debug/counters", counters),
            *batches.routes(),
        ]
    )


def prompt_digest(prompt: str) -> str:
    """Name a prompt in the counters."""
    return hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:16]


async def _chat(desk: Desk, request: Request) -> Response:
    try:
        body: Any = json.loads(await request.body())
    except ValueError:
        body = None
    prompt = prompt_of(body, desk.knowledge) if isinstance(body, dict) else None
    if prompt is None:
        return _error(400, "invalid_request_error", "the body must be a chat completion request with a user message")
    if desk.is_over_rate(time.monotonic()):
        desk.fates["rate_limit"] += 1
        return _error(429, "rate_limit_exceeded", "slow down", {"retry-after": f"{desk.faults.retry_after_s:g}"})
    digest = prompt_digest(prompt)
    desk.asked[digest] += 1
    if desk.latency_s:
        await asyncio.sleep(desk.latency_s)
    fault = desk.faults.draw(prompt, desk.asked[digest], desk.asked.total())
    desk.fates[fault or "answered"] += 1
    refused = _refuse_fields(desk.faults, body)
    if refused is not None:
        return refused
    if fault is not None:
        return await _misbehave(fault, desk, request, body, prompt)
    desk.answered[digest] += 1
    return JSONResponse(complete(body, prompt, desk.knowledge, turn=desk.asked[digest]))


def _refuse_fields(faults: FaultPlan, body: Mapping[str, Any]) -> Response | None:
    if faults.no_schema and body.get("response_format") is not None:
        return _error(400, "invalid_request_error", "response_format is not supported by this model")
    if faults.no_logprobs and body.get("logprobs"):
        return _error(400, "invalid_request_error", "logprobs are not supported by this model")
    return None


async def _misbehave(fault: str, desk: Desk, request: Request, body: Mapping[str, Any], prompt: str) -> Response:
    """Answer as a server in trouble would."""
    if fault == "timeout":
        await asyncio.sleep(desk.faults.timeout_s)
        return _error(504, "timeout", "too late")
    if fault in ("reset", "slow"):
        return StreamingResponse(_dribble(fault, body, prompt, desk), media_type="application/json",
                                 headers={"content-length": "4096"} if fault == "reset" else None)  # fmt: skip
    if fault in _ERRORS:
        status, code, message = _ERRORS[fault]
        headers = {"retry-after": f"{desk.faults.retry_after_s:g}"} if fault == "429_retry" else {}
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        return _error(status, code, message.format(key=key), headers)
    if fault in _BROKEN:
        return Response(_BROKEN[fault], media_type="application/json")
    whole = complete(body, prompt, desk.knowledge, turn=1)
    return JSONResponse(_spoil(fault, whole, body, prompt))


def _spoil(fault: str, whole: dict[str, Json], body: Mapping[str, Any], prompt: str) -> dict[str, Json]:
    if fault == "wrong_model":
        return whole | {"model": "another-model-2020-01-01"}
    if fault == "no_usage":
        return {name: value for name, value in whole.items() if name != "usage"}
    messages: dict[str, tuple[str | None, str | None, str]] = {
        "empty_choice": (None, None, "stop"),
        "refusal": (None, "I'm sorry, but I can't help with that.", "stop"),
        "truncated": ("The answer is probab", None, "length"),
    }
    content, refusal, finish = messages[fault]
    message: dict[str, Json] = {"role": "assistant", "content": content, "refusal": refusal}
    return envelope(body, prompt, {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}, 5)


async def _dribble(fault: str, body: Mapping[str, Any], prompt: str, desk: Desk) -> AsyncIterator[bytes]:
    raw = json.dumps(complete(body, prompt, desk.knowledge, turn=1)).encode()
    yield raw[:20]
    if fault == "reset":
        raise ConnectionResetError("a reset that was asked for")
    await asyncio.sleep(desk.faults.timeout_s if desk.faults.timeout_s < 60 else 0.2)
    yield raw[20:]


def _batched(desk: Desk, body: Mapping[str, Any]) -> tuple[int, dict[str, Json]]:
    """Answer one line of a batch."""
    prompt = prompt_of(body, desk.knowledge)
    if prompt is None:
        return 400, {"error": {"message": "no user message", "code": "invalid_request_error"}}
    digest = prompt_digest(prompt)
    desk.asked[digest] += 1
    if (desk.faults.no_schema and body.get("response_format")) or (desk.faults.no_logprobs and body.get("logprobs")):
        return 400, {"error": {"message": "response_format is not supported by this model", "code": "bad"}}
    fault = desk.faults.draw(prompt, desk.asked[digest], desk.asked.total())
    if fault in ("refusal", "truncated", "wrong_model", "no_usage", "empty_choice"):
        return 200, _spoil(fault, complete(body, prompt, desk.knowledge, turn=1), body, prompt)
    if fault is not None:
        return 500, {"error": {"message": "a fault that was asked for", "code": "server_error"}}
    desk.answered[digest] += 1
    return 200, complete(body, prompt, desk.knowledge, turn=desk.asked[digest])


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return JSONResponse(body, status, dict(headers or {}))


_ERRORS: dict[str, tuple[int, str, str]] = {
    "429": (429, "rate_limit_exceeded", "slow down"),
    "429_retry": (429, "rate_limit_exceeded", "slow down"),
    "500": (500, "server_error", "the server had an error"),
    "503": (503, "overloaded", "the server is overloaded"),
    "400": (400, "invalid_request_error", "this request cannot be processed"),
    "401": (401, "invalid_api_key", "Incorrect API key provided: {key}"),
    "key_echo": (500, "server_error", "could not process the request of {key}"),
    "quota": (429, "insufficient_quota", "You exceeded your current quota"),
}
_BROKEN: dict[str, bytes] = {
    "invalid_json": b'{"id": "chatcmpl-1", "choices": [{"mess',
    "no_choices": b'{"id": "chatcmpl-1", "object": "chat.completion", "choices": []}',
    "html": b"<html><body>Bad gateway</body></html>",
}
