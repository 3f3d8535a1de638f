"""A real rehearsal server in a thread (its desk in reach of the test), and teachers that talk to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from distill.records.completion import Message
from distill.records.runtime import RuntimeConfig
from distill.teachers import Order, Teacher, TeacherConfig, build_requests, open_teacher
from distill.teachers.rehearsal.faults import parse_faults
from distill.teachers.rehearsal.knowledge import Knowledge, Known
from distill.teachers.rehearsal.serve import listen
from distill.teachers.rehearsal.server import Desk, build_app

LABELS = ("refund", "delivery", "repair")


@dataclass
class Rehearsal:
    url: str
    desk: Desk


def known(count: int = 200) -> Knowledge:
    return Knowledge(
        [Known(f"message number {i} about {LABELS[i % 3]}", LABELS[i % 3], 0.9) for i in range(count)], LABELS
    )


class _Server:
    def __init__(self, desk: Desk) -> None:
        self.listener = listen("127.0.0.1", 0)
        config = uvicorn.Config(build_app(desk), log_level="critical", access_log=False, ws="none", lifespan="off",
                                timeout_graceful_shutdown=1)  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"

    def __enter__(self) -> _Server:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)
        self.listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Rehearsal]]:
    with ExitStack() as stack:

        def start(faults: str = "", latency_ms: float = 0.0, count: int = 200, **desk: object) -> Rehearsal:
            state = Desk(known(count), "gpt-test-2026-01-01", parse_faults(faults), latency_ms / 1000, **desk)  # type: ignore[arg-type]
            return Rehearsal(stack.enter_context(_Server(state)).url, state)

        yield start


@pytest.fixture
def config() -> TeacherConfig:
    return TeacherConfig(
        model="gpt-test-2026-01-01",
        api_key_env="TEST_TEACHER_KEY",
        price={"input": 1.0, "output": 4.0},  # type: ignore[arg-type]
        limits={"requests_per_minute": 1_000_000, "tokens_per_minute": 10**9},  # type: ignore[arg-type]
        terms={"training_on_outputs": "allowed"},  # type: ignore[arg-type]
        max_output_tokens=8,
    )


@pytest.fixture
def runtime(tmp_path: Path) -> RuntimeConfig:
    return RuntimeConfig(state_dir=tmp_path / "state", concurrency=16, request_timeout_s=5, request_deadline_s=30)


@pytest.fixture
def teach(config: TeacherConfig, runtime: RuntimeConfig) -> Iterator[Callable[..., Teacher]]:
    """Open a teacher at a URL; config and runtime fields can be overridden."""
    with ExitStack() as stack:

        def start(url: str, *, client: str = "wire", run: dict[str, object] | None = None, **fields: object) -> Teacher:
            changed = TeacherConfig.model_validate(config.model_dump() | {"base_url": url} | fields)
            running = RuntimeConfig.model_validate(runtime.model_dump() | (run or {}))
            return stack.enter_context(open_teacher(changed, running, client=client))  # type: ignore[arg-type]

        yield start


def orders_for(config: TeacherConfig, count: int, start: int = 0) -> list[Order]:
    texts = [f"message number {i} about {LABELS[i % 3]}" for i in range(start, start + count)]
    requests = build_requests([(Message("system", "Route it."), Message("user", text)) for text in texts], config)
    return [Order(f"row-{start + i}", 0, request) for i, request in enumerate(requests)]


@pytest.fixture
def orders() -> Callable[..., list[Order]]:
    return orders_for
