"""The HTTP face: OpenAI-compatible routes, keys, limits, back-pressure. No prompt text reaches the process log."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from distill.serving.gateway import Gateway, Outcome
from distill.serving.openapi import DESCRIPTION
from distill.serving.record import record_answer, record_failure
from distill.serving.request_log import RequestLog
from distill.serving.shadow import Shadow
from distill.serving.telemetry import Telemetry
from distill.serving.wire import (
    ChatBody,
    Reply,
    WireError,
    describe_error,
    dump,
    parse_chat,
    write_chunks,
    write_completion,
)

_logger = structlog.get_logger(__name__)
Background = Callable[[], Coroutine[object, object, None]]
SPLIT_HEADER = "x-distill-key"


class _Service:
    """What the routes share."""

    def __init__(self, gateway: Gateway, keys: Sequence[str], log: RequestLog | None) -> None:
        self.gateway, self.log = gateway, log
        self.keys = [key.encode() for key in keys]
        self.in_flight = 0
        self.telemetry = Telemetry(gateway, lambda: self.in_flight, lambda: log.dropped if log is not None else 0)
        self.shadow = Shadow(gateway, log, self.telemetry.audited)

    def check_key(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = [hmac.compare_digest(given.strip().encode("utf-8", "replace"), key) for key in self.keys]
        if self.keys and not (scheme.lower() == "bearer" and any(known)):
            raise WireError(401, "a valid API key is needed (Authorization: Bearer ...)", "invalid_api_key")

    async def chat(self, request: Request) -> Response:
        self.check_key(request)
        config = self.gateway.config
        if self.gateway.draining:
            raise WireError(503, "the server is shutting down", "draining", retry_after_s=1.0)
        if self.in_flight >= config.max_in_flight:
            self.telemetry.refused(429)
            raise WireError(429, "too many requests are being answered", "overloaded", retry_after_s=1.0)
        self.in_flight += 1
        try:
            body = parse_chat(await self._read(request))
            if body.model not in self.models():
                raise WireError(404, f"no model {body.model[:80]!r}; see /v1/models", "model_not_found", "model")
            if body.wanted_tokens() > config.max_output_tokens:
                message = f"max_tokens is above {config.max_output_tokens}, the most that is given here"
                raise WireError(400, message, "invalid_request", "max_tokens")
            return await self._answer(body, request.headers.get(SPLIT_HEADER) or body.stable_key())
        finally:
            self.in_flight -= 1

    async def _read(self, request: Request) -> bytes:
        config = self.gateway.config
        try:
            async with asyncio.timeout(config.body_timeout_s):
                return await _read_body(request, config.max_body_bytes)
        except TimeoutError as error:
            raise WireError(408, "the body did not arrive in time", "timeout") from error

    def models(self) -> list[str]:
        names = [self.gateway.name, self.gateway.student.version, *self.gateway.config.models]
        return list(dict.fromkeys(names))

    async def _answer(self, body: ChatBody, key: str | None) -> Response:
        start, request_id = time.perf_counter(), uuid.uuid4().hex
        try:
            async with asyncio.timeout(self.gateway.config.request_timeout_s):
                outcome = await self.gateway.answer(body.conversation(), request_id, key)
        except TimeoutError as error:
            paid_usd = 0.0 if self.gateway.teacher is None else None  # it may have been asked
            late = WireError(503, "no answer in time", "timeout", retry_after_s=1.0, cost_usd=paid_usd)
            self._record_failure(body, request_id, start, late)
            raise late from error
        except WireError as error:
            self._record_failure(body, request_id, start, error)
            raise
        self._record(body, outcome, request_id, start)
        if outcome.answered_by == "student":
            self.shadow.consider(outcome, request_id)
        reply = Reply(f"chatcmpl-{request_id}", int(time.time()), outcome.model, outcome.text, outcome.usage)
        headers = _headers(outcome, request_id)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            chunks = write_chunks(reply, usage)
            return StreamingResponse(_stream(chunks), media_type="text/event-stream", headers=headers)
        return Response(dump(write_completion(reply)), media_type="application/json", headers=headers)

    def _record(self, body: ChatBody, outcome: Outcome, request_id: str, start: float) -> None:
        seconds = time.perf_counter() - start
        self.telemetry.answered(outcome, seconds)
        if self.gateway.config.log_prompts:
            _logger.info("answered", request_id=request_id, columns=dict(outcome.columns), text=outcome.text)
        if self.log is not None:
            self.log.add(record_answer(self.gateway, body, outcome, request_id, seconds * 1000))

    def _record_failure(self, body: ChatBody, request_id: str, start: float, error: WireError) -> None:
        self.telemetry.refused(error.status)
        if self.log is not None and error.status >= 500:
            milliseconds = (time.perf_counter() - start) * 1000
            self.log.add(record_failure(self.gateway, body, error, request_id, milliseconds))

    async def list_models(self, request: Request) -> Response:
        self.check_key(request)
        items = [{"id": name, "object": "model", "created": 0, "owned_by": "distill"} for name in self.models()]
        return JSONResponse({"object": "list", "data": items})

    async def health(self, _: Request) -> Response:
        gateway = self.gateway
        canary = gateway.arms.canary
        facts = {
            "status": "draining" if gateway.draining else "ok",
            "version": gateway.student.version,
            "swap_error": gateway.swap_error,
            "canary": None if canary is None else {"version": canary.version, "share": gateway.arms.share},
            "canary_error": gateway.canary_error,
        }
        return JSONResponse(facts, status_code=503 if gateway.draining else 200)

    async def metrics(self, request: Request) -> Response:
        self.check_key(request)
        return Response(self.telemetry.show(), media_type="text/plain; version=0.0.4")

    async def describe(self, request: Request) -> Response:
        self.check_key(request)
        return JSONResponse(DESCRIPTION)


def create_app(
    gateway: Gateway,
    *,
    keys: Sequence[str] = (),
    log: RequestLog | None = None,
    background: Sequence[Background] = (),
) -> Starlette:
    """Build the ASGI application.

    Args:
        gateway: who answers.
        keys: accepted API keys; none: no key is asked for.
        log: where requests are logged; closed at the end.
        background: what runs beside the requests (the channel's watcher, the fixed inputs), cancelled at the end.
    """
    service = _Service(gateway, keys, log)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", service.chat, methods=["POST"]),
            Route("/v1/models", service.list_models),
            Route("/healthz", service.health),
            Route("/metrics", service.metrics),
            Route("/openapi.json", service.describe),
        ],
        exception_handlers={WireError: _refuse, HTTPException: _refuse_route},
        lifespan=_make_lifespan(service, log, background),
    )


def _make_lifespan(
    service: _Service, log: RequestLog | None, background: Sequence[Background]
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        gateway = service.gateway
        tasks = {asyncio.create_task(work()) for work in background}
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await service.shadow.close()
            await gateway.close()
            if log is not None:
                await asyncio.to_thread(log.close)

    return lifespan


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, WireError)
    headers = {"Retry-After": str(math.ceil(error.retry_after_s))} if error.retry_after_s is not None else {}
    return Response(dump(describe_error(error)), error.status, headers, "application/json")


async def _refuse_route(request: Request, error: Exception) -> Response:
    """Say "no such path" and "no such method" as OpenAI's servers do."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    message = f"{request.method} {request.url.path[:80]!r}: {error.detail}"
    body = describe_error(WireError(error.status_code, message, code))
    return Response(dump(body), error.status_code, dict(error.headers or {}), "application/json")


async def _read_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise WireError(413, f"the body is larger than {limit} bytes", "body_too_large")
    except ClientDisconnect as error:
        raise WireError(400, "the client went away", "disconnected") from error
    return bytes(body)


def _headers(outcome: Outcome, request_id: str) -> dict[str, str]:
    headers = {
        "x-request-id": request_id,
        "x-distill-answered-by": outcome.answered_by,
        "x-distill-version": outcome.version,
        "x-distill-reason": outcome.reason,
    }
    if outcome.confidence is not None:
        headers["x-distill-confidence"] = f"{outcome.confidence:.4f}"
    return headers


async def _stream(chunks: Iterator[bytes]) -> AsyncGenerator[bytes]:
    for chunk in chunks:
        yield chunk
