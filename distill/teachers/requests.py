"""From rendered messages to requests, and from a request to the bytes on the wire: one builder for every transport."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, cast
from urllib.parse import urlsplit

from distill.records.completion import Message, TeacherRequest
from distill.records.json import Json
from distill.teachers.config import TeacherConfig

OPENAI_URL = "https://api.openai.com/v1"
LimitField = Literal["max_tokens", "max_completion_tokens"]
Shape = Literal["asked", "json_object", "none"]


def provider_identity(config: TeacherConfig) -> str:
    """Name who answers, for journal keys: `rehearsal`, `replay`, `openai`, or `openai@host` (never a port)."""
    if config.provider != "openai" or config.base_url is None:
        return config.provider
    host = urlsplit(config.base_url).hostname
    return f"openai@{host or config.base_url}"


def limit_field(base_url: str | None) -> LimitField:
    """Name the field that caps the answer: OpenAI and Azure renamed it, other servers know the old name."""
    host = urlsplit(base_url or OPENAI_URL).hostname or ""
    return "max_completion_tokens" if host.endswith(("openai.com", "openai.azure.com")) else "max_tokens"


def wants_key(base_url: str) -> bool:
    """Tell whether a server is known to answer nobody without a key."""
    return (urlsplit(base_url).hostname or "").endswith(("openai.com", "azure.com"))


def build_requests(
    messages: Sequence[tuple[Message, ...]],
    config: TeacherConfig,
    *,
    schema: Mapping[str, Json] | None = None,
    schema_name: str = "answer",
) -> list[TeacherRequest]:
    """Build one request per rendered conversation, in order.

    `schema` is the JSON Schema of the answer; it is sent as response_format unless `config.structured` is off.
    """
    provider, shape = provider_identity(config), _response_format(config, schema, schema_name)
    return [
        TeacherRequest(
            provider=provider,
            model=config.model,
            messages=tuple(conversation),
            temperature=config.temperature,
            max_output_tokens=config.max_output_tokens,
            top_logprobs=config.top_logprobs,
            response_format=shape,
        )
        for conversation in messages
    ]


def wire_body(request: TeacherRequest, limit: LimitField, shape: Shape = "asked") -> dict[str, Json]:
    """Write a request as the body of /v1/chat/completions; `shape` says which response format is sent.

    The order of the fields is that of the `openai` client, so that both send the same bytes.
    """
    body: dict[str, Json] = {
        "model": request.model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
    }
    if request.top_logprobs:
        body["logprobs"] = True
    if request.max_output_tokens is not None:
        body[limit] = request.max_output_tokens
    if request.response_format is not None and shape != "none":
        body["response_format"] = request.response_format if shape == "asked" else {"type": "json_object"}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_logprobs:
        body["top_logprobs"] = request.top_logprobs
    return body


def wire_bytes(body: Mapping[str, Json]) -> bytes:
    """Write a body exactly as the `openai` client does; lone surrogates become `?`."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def _response_format(config: TeacherConfig, schema: Mapping[str, Json] | None, name: str) -> Mapping[str, Json] | None:
    if config.structured == "off":
        return None
    if config.structured == "json_object":
        return {"type": "json_object"}
    if schema is None:
        return None
    described: dict[str, Json] = {"name": name, "schema": schema, "strict": _is_strict(schema)}
    return {"type": "json_schema", "json_schema": described}


def _is_strict(schema: Json) -> bool:
    """Tell whether strict mode takes the schema: each object closed, and each of its properties required."""
    if isinstance(schema, Mapping):
        node = cast("Mapping[str, Json]", schema)
        properties = node.get("properties")
        if node.get("type") == "object" or properties is not None:
            names = set(cast("Mapping[str, Json]", properties or {}))
            required = set(cast("Sequence[str]", node.get("required") or ()))
            if node.get("additionalProperties") is not False or names != required:
                return False
        return all(_is_strict(value) for value in node.values())
    if isinstance(schema, (list, tuple)):
        return all(_is_strict(item) for item in cast("Sequence[Json]", schema))
    return True
