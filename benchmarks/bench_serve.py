"""The gateway under load. Load generator, gateway and mock upstream are processes of their own; the peer, litellm's
proxy, runs in the same rounds from an environment of its own (--peers; made in ~/.cache where it is missing).

python benchmarks/bench_serve.py [--peers] [--seconds 20] [--student DIR] [--only overhead,crowd,...]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import psutil

HERE = Path(__file__).resolve()
BODY = {"model": "production", "messages": [{"role": "user", "content": "my refund has not arrived, where is it?"}]}
CONFIG = """
log: {log}
drain_timeout_s: 2
request_timeout_s: {patience_s}
student_timeout_s: {patience_s}
max_in_flight: 4096
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url: str, seconds: float = 120) -> None:
    port, end = int(url.split(":")[2].split("/")[0]), time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {url}")


@contextmanager
def running(*command: object, **environment: str) -> Iterator[psutil.Process]:
    child = subprocess.Popen(
        [str(part) for part in command], env={**os.environ, **environment},
        stdout=subprocess.DEVNULL, stderr=sys.stderr if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()


@contextmanager
def upstream(port: int, mode: str = "ok") -> Iterator[psutil.Process]:
    with running(sys.executable, HERE, "--role", "upstream", "--port", port, "--mode", mode) as process:
        wait_for(f"http://127.0.0.1:{port}")
        yield process


@contextmanager
def gateway(
    folder: Path, upstream_port: int, log: str = "null", name: str = "student", patience_s: float = 30
) -> Iterator[tuple[str, psutil.Process]]:
    port, config = free_port(), folder / f"serve-{name}-{log == 'null'}.yaml"
    config.write_text(CONFIG.format(log=log, patience_s=patience_s))
    command = [
        sys.executable, HERE, "--role", "gateway", "--port", port, "--config", config, "--state", folder,
        "--student", folder / "student", "--url", f"http://127.0.0.1:{upstream_port}/v1",
    ]  # fmt: skip
    with running(*command) as process:
        url = f"http://127.0.0.1:{port}/v1"
        wait_for(url)
        yield url, process


def make_student(directory: Path) -> None:
    """A student that is served elsewhere: its task and threshold are all the gateway needs."""
    from distill.students.config import StudentConfig
    from distill.students.manifest import StudentManifest, write_manifest
    from distill.tasks.config import TaskConfig

    directory.mkdir(parents=True)
    task = TaskConfig(output="label", labels=("refund", "delivery"), user="{{ text }}", system="You route.")
    config = StudentConfig(kind="classifier", base={"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 512})
    write_manifest(directory, StudentManifest("classifier", task, config, {"name": "tiny"}, task.labels or ()))


async def post(session: aiohttp.ClientSession, url: str, body: dict | None = None) -> tuple[int, float, str]:
    begin = time.perf_counter()
    async with session.post(f"{url}/chat/completions", json=body or BODY) as response:
        text = await response.text()
    return response.status, (time.perf_counter() - begin) * 1000, text


async def load(urls: dict[str, str], rate: int, seconds: int) -> dict[str, list[float]]:
    """Open loop: requests leave on time whether or not earlier ones are back. Rounds of 2 s, in turn."""
    times: dict[str, list[float]] = {name: [] for name in urls}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for url in urls.values():
            await asyncio.gather(*(post(session, url) for _ in range(20)))
        for number in range(seconds // 2):
            order = list(urls.items()) if number % 2 else list(urls.items())[::-1]
            for name, url in order:
                begin, tasks = time.perf_counter(), []
                for i in range(rate * 2):
                    await asyncio.sleep(max(0.0, begin + i / rate - time.perf_counter()))
                    tasks.append(asyncio.create_task(post(session, url)))
                results = await asyncio.gather(*tasks)
                assert all(status == 200 for status, _, _ in results), {status for status, _, _ in results}
                times[name] += [ms for _, ms, _ in results]
    return times


def quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def show_overhead(times: dict[str, list[float]], rate: int) -> None:
    direct = times["direct"]
    print(f"\noverhead over a direct call at {rate} requests/s ({len(direct)} requests each)")
    print(f"{'':26}{'p50 ms':>9}{'p99 ms':>9}{'over p50':>10}{'over p99':>10}")
    for name, values in times.items():
        p50, p99 = quantile(values, 50), quantile(values, 99)
        print(f"{name:26}{p50:9.2f}{p99:9.2f}{p50 - quantile(direct, 50):10.2f}{p99 - quantile(direct, 99):10.2f}")


def measure_overhead(folder: Path, seconds: int, rate: int, peers: bool) -> None:
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(upstream(port))
        urls = {"direct": f"http://127.0.0.1:{port}/v1"}
        urls["distill"], process = stack.enter_context(gateway(folder, port))
        urls["distill, request log on"], _ = stack.enter_context(gateway(folder, port, "{text: redacted}"))
        if peers:
            urls["litellm proxy"] = stack.enter_context(litellm(folder, port))
        before = process.cpu_times().user
        command = [sys.executable, HERE, "--role", "load", "--urls", json.dumps(urls)]
        command += ["--seconds", str(seconds), "--rate", str(rate)]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        times = json.loads(result.stdout)
        show_overhead(times, rate)
        used = (process.cpu_times().user - before) / (len(times["distill"]) + 20) * 1000
        print(f"gateway CPU per request, without log: {used:.2f} ms")


def measure_crowd(folder: Path, clients: int = 1000, rounds: int = 5) -> None:
    port = free_port()
    print(f"\n{clients} clients at once, {rounds} rounds")
    with upstream(port), gateway(folder, port, "{text: redacted}", "crowd") as (url, process):

        async def crowd() -> tuple[int, float]:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                begin = time.perf_counter()
                results = await asyncio.gather(*(post(session, url) for _ in range(clients)), return_exceptions=True)
            return sum(isinstance(r, tuple) and r[0] == 200 for r in results), time.perf_counter() - begin

        memory, answered = [], 0
        for _ in range(rounds):
            good, seconds = asyncio.run(crowd())
            answered += good
            memory.append(process.memory_info().rss / 2**20)
        print(f"answered {answered} of {clients * rounds}; last round {seconds:.2f} s ({clients / seconds:.0f}/s)")
        print(f"gateway memory after each round, MiB: {' '.join(f'{value:.0f}' for value in memory)}")


def measure_faults(folder: Path) -> None:
    print("\nfaults, 100 requests each, no fallback: status -> count, slowest")
    for mode in ("killed", "slow", "garbage", "half", "500"):
        port = free_port()
        with ExitStack() as stack:
            if mode != "killed":
                stack.enter_context(upstream(port, mode))
            url, _ = stack.enter_context(gateway(folder, port, "null", mode, 2))

            async def go(url: str = url) -> list[tuple[int, float, str]]:
                async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                    return await asyncio.gather(*(post(session, url) for _ in range(100)))

            results = asyncio.run(go())
        counts = {status: sum(r[0] == status for r in results) for status in sorted({r[0] for r in results})}
        codes = {json.loads(text)["error"]["code"] for _, _, text in results}
        print(f"{mode:10} {counts} {codes} {max(ms for _, ms, _ in results):.0f} ms")


async def feed(answer, prompts: list, clients: int) -> tuple[float, float]:
    """Closed loop of `clients` callers; return answers per second and p95 in ms."""
    times, todo = [], iter(prompts)

    async def client() -> None:
        for prompt in todo:
            begin = time.perf_counter()
            await answer(prompt)
            times.append((time.perf_counter() - begin) * 1000)

    begin = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(times) / (time.perf_counter() - begin), quantile(times, 95)


def measure_batching(student: Path, folder: Path) -> None:
    """The same callers, batches of up to 64 against batches of 1, through the same engine."""
    from distill.records.training import Prompt
    from distill.serving.batching import Batcher
    from distill.serving.students import load_student

    predictor = load_student(student, "bench").predictor
    assert predictor is not None
    words = (folder / "texts.txt").read_text().splitlines() if (folder / "texts.txt").exists() else []
    texts = words or [f"where is my parcel number {i}, it was due on monday" for i in range(1000)]
    prompts = [Prompt(str(i), text) for i, text in enumerate(texts[:768])]
    print(f"\nin-process batching, {student}, closed loop")
    print(f"{'callers':>8}{'batch':>7}{'answers/s':>11}{'p95 ms':>9}")
    for clients in (1, 8, 32, 64):
        for size in (1, 64):

            async def go(size: int = size, clients: int = clients) -> tuple[float, float]:
                batcher = Batcher(predictor, size)
                await feed(batcher.answer, prompts[:32], clients)
                result = await feed(batcher.answer, prompts, clients)
                await batcher.close()
                return result

            rate, p95 = asyncio.run(go())
            print(f"{clients:8}{size:7}{rate:11.0f}{p95:9.1f}")


def measure_rollback(student: Path, folder: Path) -> None:
    """From the rollback of a real channel to the first answer of the version before, that one warm and not."""
    from distill.engine.channels import Channels

    print(f"\nrollback, {student}, in process: from the channel's move to the first answer of the earlier version")
    for warm in (True, False):
        state, port = folder / f"state-{warm}", free_port()
        channels = Channels(state)
        for number in range(2):
            shutil.copytree(student, state / f"student-{number}")
            channels.move("production", f"student-{number}", expected_version=number, who="bench", why="bench")
        config = folder / f"rollback-{warm}.yaml"
        config.write_text(f"log: null\nkeep_warm: {str(warm).lower()}\n")
        command = [sys.executable, HERE, "--role", "gateway", "--port", port, "--config", config, "--state", state]
        with running(*command):
            url = f"http://127.0.0.1:{port}/v1"
            wait_for(url)

            async def go(url: str = url, channels: Channels = channels) -> tuple[float, int]:
                async with aiohttp.ClientSession() as session:
                    for _ in range(40):  # time for the earlier version to become warm
                        await post(session, url)
                        await asyncio.sleep(0.25)
                    begin, asked = time.perf_counter(), 0
                    channels.rollback("production", who="bench", why="bench")
                    while asked := asked + 1:
                        _, _, text = await post(session, url)
                        if json.loads(text)["model"] == "production@3":
                            return time.perf_counter() - begin, asked
                    raise AssertionError

            seconds, asked = asyncio.run(go())
        print(
            f"previous version {'warm' if warm else 'cold'}: {seconds:.2f} s, {asked} requests meanwhile, all answered"
        )


@contextmanager
def litellm(folder: Path, upstream_port: int) -> Iterator[str]:
    place = Path.home() / ".cache" / "distill-bench" / "litellm"
    if not (place / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", "litellm[proxy]"], check=True)
    config, port = folder / "litellm.yaml", free_port()
    config.write_text(json.dumps({
        "model_list": [{"model_name": "production", "litellm_params": {
            "model": "openai/m", "api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "none"}}],
        "litellm_settings": {"telemetry": False},
    }))  # fmt: skip
    command = [
        place / "bin" / "litellm",
        "--config",
        config,
        "--port",
        port,
        "--host",
        "127.0.0.1",
        "--telemetry",
        "False",
    ]
    permit = {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    with running(*command, LITELLM_LOCAL_MODEL_COST_MAP="True", PYTHONPATH="", **permit) as _:
        url = f"http://127.0.0.1:{port}/v1"
        wait_for(url)
        yield url


def be_upstream(port: int, mode: str) -> None:
    from aiohttp import web

    reply = json.dumps({
        "id": "x", "object": "chat.completion", "created": 0, "model": "m",
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "refund"}}],
    }).encode()  # fmt: skip

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(60 if mode == "slow" else 0.005)
        if mode == "half":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(reply[:50])
            request.transport.close()  # type: ignore[union-attr]
            return response
        body = {"garbage": b"<html>\xff\x00", "500": b"oops"}.get(mode, reply)
        return web.Response(body=body, content_type="application/json", status=500 if mode == "500" else 200)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def be_gateway(options: argparse.Namespace) -> None:
    from distill.app.live import read_section
    from distill.engine.logging import configure_logging
    from distill.serving.config import ServeConfig, UpstreamConfig
    from distill.serving.server import run_server

    configure_logging("warning")
    config = read_section(options.config, ServeConfig)
    given = UpstreamConfig(base_url=options.url or "", model="m", logprobs=False, timeout_s=config.student_timeout_s)
    if options.student is None:
        return run_server(
            config.model_copy(update={"port": options.port}), state_dir=options.state, channel="production"
        )
    config = config.model_copy(update={"port": options.port, "upstream": given, "models": ("production",)})
    return run_server(config, state_dir=options.state, student_dir=options.student)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--role", choices=["upstream", "gateway", "load"])
    parser.add_argument("--port", type=int)
    parser.add_argument("--mode", default="ok")
    for name in ("config", "state", "student"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--urls")
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20, help="per target")
    parser.add_argument("--peers", action="store_true", help="measure litellm's proxy beside it")
    parser.add_argument("--only", default="overhead,crowd,faults,batching,rollback")
    options = parser.parse_args()
    if options.role == "upstream":
        return be_upstream(options.port, options.mode)
    if options.role == "gateway":
        return be_gateway(options)
    if options.role == "load":
        return print(json.dumps(asyncio.run(load(json.loads(options.urls), options.rate, options.seconds))))
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as name:
        folder, only = Path(name), options.only.split(",")
        make_student(folder / "student")
        if "overhead" in only:
            measure_overhead(folder, options.seconds, options.rate, options.peers)
        if "crowd" in only:
            measure_crowd(folder)
        if "faults" in only:
            measure_faults(folder)
        if "batching" in only and options.student is None:
            print("\nbatching: give a student with --student DIR (a run's student/) to measure it")
        elif "batching" in only:
            measure_batching(options.student, folder)
        if "rollback" in only and options.student is not None:
            measure_rollback(options.student, folder)
    return None


if __name__ == "__main__":
    main()
