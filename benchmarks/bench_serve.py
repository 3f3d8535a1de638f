"""The gateway under load: overhead over a direct call at 200 requests/s, 1,000 clients at once, batching, faults."""

from __future__ import annotations

import asyncio
import statistics
import sys
import threading
import time
from pathlib import Path

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "fakes"))

from keyword_student import make_keyword_student

from distill.records.training import Prompt
from distill.serving.app import create_app
from distill.serving.batching import Batcher
from distill.serving.config import ServeConfig, UpstreamConfig
from distill.serving.gateway import Gateway
from distill.serving.upstream import UpstreamStudent

REPLY = {
    "id": "x", "object": "chat.completion", "created": 0, "model": "m", "usage": {"prompt_tokens": 3},
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "refund"}}],
}  # fmt: skip
BODY = {"model": "production", "messages": [{"role": "user", "content": "my refund"}]}


async def answer(request: Request) -> JSONResponse:
    await request.body()
    await asyncio.sleep(0.005)
    return JSONResponse(REPLY)


def start(make_app) -> tuple[uvicorn.Server, str]:
    holder: list[uvicorn.Server] = []

    async def serve() -> None:
        settings = uvicorn.Config(make_app(), "127.0.0.1", 0, log_level="error", access_log=False, backlog=4096)
        holder.append(uvicorn.Server(settings))
        await holder[0].serve()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    while not (holder and holder[0].started):
        time.sleep(0.01)
    port = holder[0].servers[0].sockets[0].getsockname()[1]
    return holder[0], f"http://127.0.0.1:{port}/v1"


def make_gateway(upstream: str | None):
    def build():
        given = UpstreamConfig(base_url=upstream, model="m", logprobs=False) if upstream else None
        student = make_keyword_student()
        config = ServeConfig(threshold=None, upstream=given)
        student = type(student)(student.version, student.task, student.predictor, None)
        return create_app(
            Gateway(config, "production", student, None, engine=UpstreamStudent(given) if given else None)
        )

    return build


async def call(session: aiohttp.ClientSession, url: str) -> tuple[int, float]:
    begin = time.perf_counter()
    async with session.post(f"{url}/chat/completions", json=BODY) as response:
        await response.read()
    return response.status, (time.perf_counter() - begin) * 1000


async def measure_overhead(direct: str, gateway: str, rate: int = 200, seconds: int = 8) -> None:
    times: dict[str, list[float]] = {direct: [], gateway: []}
    async with aiohttp.ClientSession() as session:
        for round_number in range(4):
            for url in (direct, gateway) if round_number % 2 else (gateway, direct):
                begin, tasks = time.perf_counter(), []
                for i in range(rate * seconds // 4):
                    await asyncio.sleep(max(0.0, begin + i / rate - time.perf_counter()))
                    tasks.append(asyncio.create_task(call(session, url)))
                times[url] += [ms for _, ms in await asyncio.gather(*tasks)]
    p50 = {url: statistics.median(values) for url, values in times.items()}
    p99 = {url: statistics.quantiles(values, n=100)[98] for url, values in times.items()}
    print(f"overhead at {rate}/s   p50 {p50[gateway] - p50[direct]:.2f} ms   p99 {p99[gateway] - p99[direct]:.2f} ms")


async def measure_crowd(gateway: str, clients: int = 1000) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        begin = time.perf_counter()
        results = await asyncio.gather(*(call(session, gateway) for _ in range(clients)), return_exceptions=True)
    good = sum(isinstance(result, tuple) and result[0] == 200 for result in results)
    print(f"{clients} clients at once   answered {good}   in {time.perf_counter() - begin:.2f} s")


async def measure_faults(gateway: str) -> None:
    async with aiohttp.ClientSession() as session:
        status, ms = await call(session, gateway)
    print(f"upstream killed   status {status} in {ms:.0f} ms")


async def measure_batching(student: Path) -> None:
    from distill.serving.students import load_student

    predictor = load_student(student, "bench").predictor
    prompts = [Prompt(str(i), f"where is my parcel number {i}, it was due on monday") for i in range(512)]
    for size in (1, 64, 1, 64):
        batcher, begin = Batcher(predictor, size), time.perf_counter()
        await asyncio.gather(*(batcher.answer(prompt) for prompt in prompts))
        print(f"batches of up to {size}   {len(prompts) / (time.perf_counter() - begin):.0f} answers/s")
        await batcher.close()


def main() -> None:
    upstream_server, direct = start(lambda: Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])]))
    gateway_server, gateway = start(make_gateway(direct))
    asyncio.run(measure_overhead(direct, gateway))
    asyncio.run(measure_crowd(gateway))
    upstream_server.should_exit = True
    time.sleep(1.0)
    asyncio.run(measure_faults(gateway))
    gateway_server.should_exit = True
    if len(sys.argv) > 1:
        asyncio.run(measure_batching(Path(sys.argv[1])))
    else:
        print("batching: give a student directory to measure it")


if __name__ == "__main__":
    main()
