"""A real OpenAI-compatible server on a free port that answers every chat by a function of its last message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fakes.http_server import Handler, http_server, url_of


class Served:
    """Where the server is, and the bodies it was asked with."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []


@contextmanager
def chat_server(answer: Callable[[str], str]) -> Iterator[Served]:
    served = Served()

    class Chat(Handler):
        protocol_version = "HTTP/1.1"

        def get(self) -> None:
            self.reply_json({"object": "list", "data": [{"id": "any", "object": "model"}]})

        def post(self) -> None:
            body = json.loads(self.read_body())
            served.bodies.append(body)
            message = {"role": "assistant", "content": answer(body["messages"][-1]["content"])}
            self.reply_json(
                {
                    "id": "r",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }
            )

    with http_server(Chat) as server:
        served.url = url_of(server, "/v1")
        yield served
