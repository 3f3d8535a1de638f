"""Fixtures for all tests: no socket leaves loopback, no hub is asked, logs stay out of the way."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.postgres_server import PostgresServer, find_binaries

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts `pytest &` with SIGINT ignored, and every child would inherit that: no Ctrl-C test could pass.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0")
_real_connect = socket.socket.connect


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOOPBACK:
        raise AssertionError(f"a test tried to reach {address[0]!r}; tests stay on loopback")
    _real_connect(self, address)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)


@pytest.fixture
def repo_root() -> Path:
    return ROOT


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("shared/data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def tickets() -> Path:
    return ROOT / "examples" / "tickets"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One real PostgreSQL server for the tests of this process; each test makes a schema of its own."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    server = PostgresServer(binaries)
    yield server
    server.remove()


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty place for a team journal."""
    return postgres_server.new_schema()
