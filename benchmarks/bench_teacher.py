"""Speed of buying: rows per second, CPU per request and peak memory, side by side, each in a process of its own.

`python benchmarks/bench_teacher.py [--requests 5000] [--long 100000] [--only NAME]`. The mock answers after 50 ms; 64
are in flight, so no client can pass 1,280 rows/s. Clients that are not installed are left out with a word.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LATENCY_S, CONCURRENCY = 0.05, 64
CEILING = CONCURRENCY / LATENCY_S
KEY = "EMPTY"


def mock() -> None:
    from aiohttp import web

    async def chat(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        await asyncio.sleep(LATENCY_S)
        choice = {"index": 0, "message": {"role": "assistant", "content": "refund"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
        return web.json_response({"id": "c", "object": "chat.completion", "created": 1, "model": body["model"],
                                  "choices": [choice], "usage": usage})  # fmt: skip

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


def body(i: int) -> dict:
    text = f"row {i}: my parcel has not come yet, where is it?"
    return {"model": "m", "messages": [{"role": "system", "content": "Route it."}, {"role": "user", "content": text}],
            "max_tokens": 8, "temperature": 0.0}  # fmt: skip


async def pump(count: int, ask) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for i in numbers:
            await ask(i)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def run_aiohttp(url: str, count: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def ask(i: int) -> None:
            async with session.post(f"{url}/chat/completions", json=body(i)) as response:
                json.loads(await response.read())

        await pump(count, ask)


async def run_openai(url: str, count: int, *, aio: bool) -> None:
    import openai

    http = openai.DefaultAioHttpClient() if aio else None
    async with openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, http_client=http) as client:

        async def ask(i: int) -> None:
            await client.chat.completions.create(**body(i))

        await pump(count, ask)


def run_distill(url: str, count: int) -> None:
    from distill.records.completion import Message
    from distill.records.runtime import RuntimeConfig
    from distill.teachers import Order, TeacherConfig, build_requests, open_teacher

    config = TeacherConfig.model_validate(
        {"model": "m", "base_url": url, "max_output_tokens": 8, "price": {"input": 1, "output": 4},
         "limits": {"requests_per_minute": 10**7, "tokens_per_minute": 10**10}}
    )  # fmt: skip

    def orders():
        for i in range(count):
            messages = tuple(Message(m["role"], m["content"]) for m in body(i)["messages"])
            yield Order(str(i), 0, build_requests([messages], config)[0])

    answered = 0

    def sink(_: int, completion) -> None:
        nonlocal answered
        answered += completion.error_kind is None

    with tempfile.TemporaryDirectory() as state:
        runtime = RuntimeConfig(state_dir=Path(state), concurrency=CONCURRENCY)
        with open_teacher(config, runtime) as teacher:
            teacher.pour(orders(), sink)
    assert answered == count


CLIENTS = {
    "aiohttp alone": lambda url, n: asyncio.run(run_aiohttp(url, n)),
    "distill, journal on": run_distill,
    "openai, aiohttp transport": lambda url, n: asyncio.run(run_openai(url, n, aio=True)),
    "openai, default": lambda url, n: asyncio.run(run_openai(url, n, aio=False)),
}


def child(name: str, url: str, count: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    CLIENTS[name](url, count)
    seconds = time.monotonic() - begun
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rows_per_s": count / seconds, "cpu_ms": cpu * 1000 / count, "rss_mb": usage.ru_maxrss / 1024}))


def measure(name: str, url: str, count: int) -> None:
    command = [sys.executable, __file__, "--child", name, url, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"| {name} | {count:,} | left out: {(done.stderr.strip().splitlines() or ['?'])[-1][:80]} | | | |")
        return
    r = json.loads(done.stdout.splitlines()[-1])
    share = r["rows_per_s"] / CEILING
    print(f"| {name} | {count:,} | {r['rows_per_s']:.0f} | {share:.0%} | {r['cpu_ms']:.2f} | {r['rss_mb']:.0f} |", flush=True)  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--mock"]:
        return mock()
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--long", type=int, default=0, help="also buy so many, to see that memory stays flat")
    parser.add_argument("--only")
    args = parser.parse_args()
    with subprocess.Popen(
        [sys.executable, __file__, "--mock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        print(f"load average {os.getloadavg()[0]:.1f}\n\n| client | requests | rows/s | of ceiling | CPU ms/request | "
              f"peak RSS MB |\n|---|--:|--:|--:|--:|--:|")  # fmt: skip
        for name in CLIENTS:
            if args.only in (None, name):
                measure(name, url, args.requests)
        if args.long:
            measure("distill, journal on", url, args.long)
        server.stdin.close()
    return None


if __name__ == "__main__":
    main()
