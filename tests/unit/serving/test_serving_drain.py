from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import httpx

FAKES = Path(__file__).resolve().parents[2] / "fakes"
SCRIPT = f"""
import asyncio, sys
sys.path.insert(0, {str(FAKES)!r})
import uvicorn
from keyword_student import make_keyword_student
from distill.serving.app import create_app
from distill.serving.config import ServeConfig
from distill.serving.gateway import Gateway
from distill.serving.server import GatewayServer

async def main():
    gateway = Gateway(ServeConfig(), "production", make_keyword_student(seconds=0.7), None)
    server = GatewayServer(uvicorn.Config(create_app(gateway), "127.0.0.1", 0, log_level="error"), gateway)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task

asyncio.run(main())
"""


def test_sigterm_lets_the_answer_under_way_end() -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1/chat/completions"

        async def go() -> int:
            async with httpx.AsyncClient() as client:
                payload = {"model": "production", "messages": [{"role": "user", "content": "refund"}]}
                post = asyncio.create_task(client.post(url, json=payload, timeout=20))
                await asyncio.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                return (await post).status_code

        assert asyncio.run(go()) == 200
        process.wait(20)
    finally:
        process.kill()
        process.communicate()
