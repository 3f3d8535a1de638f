"""A real HTTP server on a free loopback port, in a thread, with any handler; started and stopped in one place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Writes nothing to stderr, reads a body whole and sends one with its length; a server says what it does in `get`,
    `post` and `head`.
    """

    def do_GET(self) -> None:
        self.get()

    def do_POST(self) -> None:
        self.post()

    def do_HEAD(self) -> None:
        self.head()

    def get(self) -> None:
        self.reply(status=404)

    def post(self) -> None:
        self.reply(status=404)

    def head(self) -> None:
        self.reply(status=404)

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def reply(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """Send a whole answer; `content_type="..."` becomes the header content-type."""
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def reply_json(self, value: Any) -> None:
        self.reply(json.dumps(value).encode(), content_type="application/json")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """Serve with `handler` until the block ends; `server_port` says where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def url_of(server: ThreadingHTTPServer, path: str = "") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"
