"""The OpenAPI description of the gateway, as data."""

from __future__ import annotations

from distill.records.json import Json
from distill.serving.wire import ChatBody

_ERRORS: dict[str, Json] = {
    code: {"description": text}
    for code, text in {
        "400": "the request is wrong",
        "401": "no valid key",
        "404": "no such model",
        "408": "the body came too slowly",
        "413": "the body is too large",
        "429": "too many requests; see Retry-After",
        "503": "nobody could answer; see Retry-After",
    }.items()
}


def _get(summary: str) -> Json:
    return {"get": {"summary": summary, "responses": {"200": {"description": "ok"}, "401": _ERRORS["401"]}}}


_schema = ChatBody.model_json_schema(ref_template="#/components/schemas/{model}")
_definitions = _schema.pop("$defs", {})
DESCRIPTION: dict[str, Json] = {
    "openapi": "3.1.0",
    "info": {"title": "distill gateway", "version": "1"},
    "paths": {
        "/v1/chat/completions": {
            "post": {
                "summary": "Answer the last user message: student first, teacher when unsure",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _schema}}},
                "responses": {"200": {"description": "a chat completion, or its stream"}, **_ERRORS},
            }
        },
        "/v1/models": _get("The names that `model` may have"),
        "/healthz": _get("Is it up, and with which version"),
        "/metrics": _get("Prometheus metrics"),
    },
    "components": {"schemas": _definitions, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    "security": [{"key": []}],
}
"""What /openapi.json returns."""
