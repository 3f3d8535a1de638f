"""The gateway as a real server on a free port of 127.0.0.1, and real upstreams that are slow, broken or rude."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from aiohttp import web

from distill.serving.app import create_app
from distill.serving.gateway import Gateway
from distill.serving.server import GatewayServer


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "production", "messages": [{"role": "user", "content": text}], **more}


@asynccontextmanager
async def listening(gateway: Gateway, **more: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve the gateway and give a client of it."""
    app = create_app(gateway, **more)
    server = GatewayServer(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", backlog=4096), gateway)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    limits = httpx.Limits(max_connections=None)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:
            yield client
    finally:
        server.should_exit = True
        await task


async def post(client: httpx.AsyncClient, payload: Any, **headers: str) -> httpx.Response:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return await client.post("/v1/chat/completions", content=content, headers=headers)


def completion(text: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}, **more}
    return {"model": "m", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}


@asynccontextmanager
async def upstream(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """Serve chat completions with `answer`; give the URL ending in /v1."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
