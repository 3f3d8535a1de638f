"""The lines of a batch: requests in, answers out. What a provider takes at most bounds a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from distill.teachers.batches.service import ENDPOINT
from distill.teachers.protocol import Order, Reply
from distill.teachers.requests import LimitField, Shape, wire_body

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
"""OpenAI's limits for one batch file: https://platform.openai.com/docs/guides/batch (50,000 requests, 200 MB)."""


class Line(NamedTuple):
    """What came back for one request; `reply` None where the request was not carried out."""

    key: str
    reply: Reply | None
    request_id: str | None
    problem: str


def write_line(key: str, order: Order, limit: LimitField, shape: Shape) -> bytes:
    """Write a request as a line of a batch file."""
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": wire_body(order.request, limit, shape)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def read_lines(data: bytes) -> Iterator[Line]:
    """Read a file of answers; a line that is no answer is left out, and its request counts as not carried out."""
    for raw in data.split(b"\n"):
        line = _object(_load(raw)) if raw.strip() else {}
        key, response = line.get("custom_id"), _object(line.get("response"))
        if not isinstance(key, str):
            continue
        status, body = response.get("status_code"), response.get("body")
        problem = str(_object(line.get("error")).get("message") or "")
        reply = None
        if isinstance(status, int) and body is not None:
            reply = Reply(status, {}, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
        request_id = response.get("request_id")
        yield Line(key, reply, request_id if isinstance(request_id, str) else None, problem)


def _load(raw: bytes) -> object:
    try:
        loaded: object = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return loaded


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
