"""Speed of buying: rows per second, CPU per request and peak memory, side by side, each in a process of its own.

`python benchmarks/bench_teacher.py [--requests 5000] [--peer-requests 1000] [--long 100000] [--only NAME]
[--no-peers]`. The mock answers after 50 ms; 64 are in flight, so no client can pass 1,280 rows/s. Peers get an
environment of their own under --venvs; one that cannot be installed or run is left out with a word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

LATENCY_S, CONCURRENCY = 0.05, 64
CEILING = CONCURRENCY / LATENCY_S
HERE = Path(__file__).resolve().parent
OURS = {"aiohttp": "aiohttp alone", "distill": "distill, journal on", "openai-aiohttp": "openai, aiohttp transport",
        "openai": "openai, default"}  # fmt: skip
PEERS = {"litellm": ["litellm"], "curator": ["bespokelabs-curator"], "data-designer": ["data-designer"],
         "distilabel": ["distilabel[openai]", "requests"]}  # fmt: skip
TORCH = "torch==2.13.0"
"""A peer that wants torch gets this one (constrained, not installed): others may bring gigabytes of CUDA."""


class Mock(asyncio.Protocol):
    """A chat server of one page: what it costs must not be what is measured."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            asyncio.get_running_loop().call_later(LATENCY_S, self._answer, body)

    def _answer(self, body: bytes) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": "refund"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}
        model = json.loads(body)["model"] if body else "m"
        said = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
                           "usage": usage}).encode()  # fmt: skip
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
        self._transport.write(head + said)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Mock, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def peer_python(name: str, venvs: Path) -> Path:
    """Return the interpreter of a peer's environment, made where there is none.

    Raises:
        subprocess.CalledProcessError: it cannot be installed.
    """
    place = venvs / name
    python, done = place / "bin" / "python", place / "installed"
    if not done.exists():
        print(f"installing {name} into {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        (place / "constraints.txt").write_text(f"{TORCH}\n", encoding="utf-8")
        pip = [python, "-m", "pip", "install", "-q", "-c", place / "constraints.txt", *PEERS[name]]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        done.touch()
    return python


def measure(name: str, url: str, count: int, python: str | Path = sys.executable) -> None:
    command = [python, HERE / "teacher_contestants.py", name, url, str(count)]
    cut = None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        cut = (done.stderr.strip().splitlines() or ["?"])[-1][:80] if done.returncode else None
    except subprocess.TimeoutExpired:
        cut = "not done in 300 s"
    shown = OURS.get(name, name)
    if cut is not None:
        print(f"| {shown} | {count:,} | left out: {cut} | | | |", flush=True)
        return
    r = json.loads(done.stdout.splitlines()[-1])
    share = r["rows_per_s"] / CEILING
    print(f"| {shown} | {count:,} | {r['rows_per_s']:.0f} | {share:.0%} | {r['cpu_ms']:.2f} | {r['peak_mb']:.0f} |",
          flush=True)  # fmt: skip
    if count > max(map(int, r["rss_mb"] or {"0": 0})) / 2 and len(r["rss_mb"]) > 1:
        print("\nresident MB after: " + ", ".join(f"{int(n):,}: {mb:.1f}" for n, mb in r["rss_mb"].items()), flush=True)


def measure_peer(name: str, url: str, count: int, venvs: Path) -> None:
    try:
        python = peer_python(name, venvs)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"| {name} | | left out: cannot be installed here: {error} | | | |", flush=True)
    else:
        measure(name, url, count, python)


def run_all(args: argparse.Namespace, url: str) -> None:
    print(f"load average {os.getloadavg()[0]:.1f}\n\n| client | requests | rows/s | of ceiling | CPU ms/request | "
          f"peak RSS MB |\n|---|--:|--:|--:|--:|--:|", flush=True)  # fmt: skip
    for name in OURS:
        if args.only in (None, name):
            measure(name, url, args.requests)
    for name in () if args.no_peers else PEERS:
        if args.only in (None, name):
            measure_peer(name, url, args.peer_requests, args.venvs)
    if args.long:
        measure("distill", url, args.long)
    print(f"\nload average {os.getloadavg()[0]:.1f}")


def main() -> None:
    if sys.argv[1:2] == ["--mock"]:
        asyncio.run(serve())
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--peer-requests", type=int, default=1000)
    parser.add_argument("--long", type=int, default=0, help="also buy so many, to see that memory stays flat")
    parser.add_argument("--only", choices=[*OURS, *PEERS])
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--venvs", type=Path, default=HERE / ".peers")
    args = parser.parse_args()
    mock = [sys.executable, __file__, "--mock"]
    with subprocess.Popen(mock, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        run_all(args, f"http://127.0.0.1:{int(server.stdout.readline())}/v1")
        server.stdin.close()


if __name__ == "__main__":
    main()
