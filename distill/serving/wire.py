"""The OpenAI wire format, both ways: request bodies become records here, records become response bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from distill.records.completion import Message, Usage
from distill.records.json import Json


class WireError(Exception):
    """A request that gets a 4xx or 503; the text is for the caller, `cost_usd` what the teacher was paid."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        retry_after_s: float | None = None,
        cost_usd: float | None = 0.0,
    ) -> None:
        self.status, self.code, self.param, self.retry_after_s = status, code, param, retry_after_s
        self.cost_usd = cost_usd
        super().__init__(message)


class _TextPart(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    type: Literal["text"]
    text: str


class _WireMessage(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_TextPart] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    include_usage: bool = False


_USER_SAYS_SOMETHING: dict[str, JsonValue] = {
    "contains": {"properties": {"role": {"const": "user"}, "content": {"not": {"type": "null"}}},
                 "required": ["role", "content"]},
    "description": "At least one message of role `user` with text: the last one is answered.",
}  # fmt: skip


class ChatBody(BaseModel):
    """The part of a chat-completion request that means something here; other known fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)
    model: str = Field(min_length=1, max_length=256)
    messages: Annotated[
        list[_WireMessage], Field(min_length=1, max_length=1000, json_schema_extra=_USER_SAYS_SOMETHING)
    ]
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = 1
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    metadata: Annotated[dict[str, Annotated[str, Field(max_length=512)]], Field(max_length=16)] | None = None

    safety_identifier: Annotated[str, Field(max_length=512)] | None = None

    def stable_key(self) -> str | None:
        """Return what names the caller's user or conversation, where the caller says so."""
        return self.user or self.safety_identifier

    def wanted_tokens(self) -> int:
        """Return the output tokens asked for; 0: not said."""
        return self.max_completion_tokens or self.max_tokens or 0

    def conversation(self) -> list[Message]:
        """Return the messages as records."""
        return [Message(message.role, message.text()) for message in self.messages]


class Reply(NamedTuple):
    """An answer on its way to the caller."""

    id: str
    created: int
    model: str
    text: str
    usage: Usage


def parse_chat(body: bytes) -> ChatBody:
    """Read a request body.

    Raises:
        WireError: 400, naming the first field that is wrong.
    """
    try:
        data = json.loads(body)
        body.decode("utf-8")
    except (ValueError, RecursionError) as error:
        raise WireError(400, "the body is not JSON", "invalid_json") from error
    if not isinstance(data, dict):
        raise WireError(400, "the body must be a JSON object", "invalid_request")
    if _has_half_a_pair(data, body):
        raise WireError(400, "the body holds half a surrogate pair, which is not text", "invalid_request")
    try:
        return ChatBody.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise WireError(400, f"{where}: {first['msg']}", "invalid_request", where) from error


def _has_half_a_pair(data: object, body: bytes) -> bool:
    """Say whether a text cannot be written as UTF-8: it would fail in the student, and take its batch along."""
    if b"\\u" not in body:
        return False
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def describe_error(error: WireError) -> dict[str, Json]:
    """Return the OpenAI error object."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.code}}


def write_completion(reply: Reply) -> dict[str, Json]:
    """Return a chat.completion object."""
    message: Json = {"role": "assistant", "content": reply.text, "refusal": None}
    return {
        **_head(reply, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(reply.usage),
    }


def write_chunks(reply: Reply, include_usage: bool) -> Iterator[bytes]:
    """Yield the server-sent events of a streamed answer, ending with [DONE]."""

    def event(choices: list[Json], usage: Json = None) -> bytes:
        body = {**_head(reply, "chat.completion.chunk"), "choices": choices}
        if include_usage:
            body["usage"] = usage
        return b"data: " + dump(body) + b"\n\n"

    def delta(content: Mapping[str, Json], finish: str | None = None) -> list[Json]:
        return [{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}]

    yield event(delta({"role": "assistant", "content": ""}))
    for start in range(0, len(reply.text), 64):
        yield event(delta({"content": reply.text[start : start + 64]}))
    yield event(delta({}, "stop"))
    if include_usage:
        yield event([], _usage(reply.usage))
    yield b"data: [DONE]\n\n"


def dump(body: Mapping[str, Json]) -> bytes:
    """Write a JSON body; lone surrogates become `?`."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _head(reply: Reply, kind: str) -> dict[str, Json]:
    return {"id": reply.id, "object": kind, "created": reply.created, "model": reply.model}


def _usage(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
