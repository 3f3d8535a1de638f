"""`distill serve` as users start it: a process, a channel, a student behind --student-url."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from live_gateway import body, completion, run, upstream
from serve_process import Served, make_student, serving

from distill.engine.channels import Channels
from distill.serving.config import LogConfig
from distill.serving.request_log import RequestLog

SECRET = "SENTINEL-of-the-prompt"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for number, target in enumerate(("a", "b")):
        make_student(tmp_path / target)
        Channels(tmp_path).move("production", target, expected_version=number, who="ada", why="x")
    return tmp_path


async def answer(request: web.Request) -> web.Response:
    asked = (await request.json())["messages"][-1]["content"]
    if "break" in asked:
        return web.Response(status=500, text=f"traceback with {asked}")
    await asyncio.sleep(0.7 if "slow" in asked else 0)
    return web.json_response(completion("refund"))


def post(served: Served, text: str, **headers: str) -> httpx.Response:
    with httpx.Client(timeout=60) as client:
        return client.post(f"{served.url}/v1/chat/completions", json=body(text), headers=headers)


@pytest.fixture
def student_url() -> Iterator[str]:
    """An upstream in a thread, so that the test itself may block."""
    import threading

    ready, stop, found = threading.Event(), threading.Event(), list[str]()

    async def serve() -> None:
        async with upstream(answer) as url:
            found.append(url)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield found[0]
    stop.set()
    thread.join(20)


def test_sigterm_lets_the_answer_under_way_end_and_the_log_keeps_it(state: Path, student_url: str) -> None:
    with serving(state, "--student-url", student_url) as served:

        async def go() -> int:
            async with httpx.AsyncClient(timeout=60) as client:
                answer = asyncio.create_task(client.post(f"{served.url}/v1/chat/completions", json=body("slow")))
                await asyncio.sleep(0.3)
                served.process.send_signal(signal.SIGTERM)
                return (await answer).status_code

        assert run(go()) == 200
        assert served.process.wait(60) == 0
    log = RequestLog(state / "requests.db", LogConfig())
    assert [row.status for row in log.requests("production")] == [200]
    log.close()


def test_a_rollback_from_the_command_line_reaches_the_gateway(state: Path, student_url: str) -> None:
    with serving(state, "--student-url", student_url) as served:
        assert post(served, "hello").headers["x-distill-version"] == "production@2"
        command = [sys.executable, "-m", "distill", "rollback", "--state-dir", str(state)]
        subprocess.run(command, check=True, capture_output=True)
        for _ in range(200):
            if (version := post(served, "hello").headers["x-distill-version"]) == "production@3":
                break
            time.sleep(0.1)
    assert version == "production@3"


def test_no_prompt_text_is_logged_unless_asked(state: Path, student_url: str) -> None:
    (state / "serve.yaml").write_text("log_prompts: true\n")
    for more, shown in (((), False), (("--config", state / "serve.yaml"), True)):
        with serving(state, "--student-url", student_url, *more) as served:
            statuses = [post(served, f"{SECRET} {word}").status_code for word in ("hello", "break", "x" * 70_000)]
            assert served.stop() == 0
        assert statuses == [200, 503, 400]
        assert (SECRET in served.text) is shown


def test_off_loopback_keys_are_asked_for(state: Path, student_url: str) -> None:
    arguments = (state, "--student-url", student_url, "--host", "0.0.0.0")
    with pytest.raises(AssertionError, match="needs API keys"), serving(*arguments):
        pass
    with serving(*arguments, DISTILL_SERVE_KEYS="one, two") as served:
        wanted = {"": 401, "Bearer three": 401, "Basic one": 401, "Bearer one": 200, "bearer two": 200}
        assert {key: post(served, "hello", Authorization=key).status_code for key in wanted} == wanted
        assert httpx.get(f"{served.url}/metrics").status_code == 401
        assert httpx.get(f"{served.url}/healthz").status_code == 200


def test_a_student_name_without_its_url_is_refused(state: Path) -> None:
    with pytest.raises(AssertionError, match="--student-url"), serving(state, "--student-model", "x"):
        pass
