"""From the raw bytes of a reply to a Reading. Total: no bytes make it raise; a bad reply becomes a counted error."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard, cast

from distill.records.completion import FinishReason, TopLogprobs, Usage
from distill.records.token_names import is_end, read_name, write_name
from distill.teachers.protocol import Reading

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
_MAX_TOKENS = 2**53
Object = dict[str, Any]


def read_reply(body: bytes) -> Reading:
    """Read the body of a 200 reply of /v1/chat/completions."""
    try:
        loaded: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Reading(error_kind="malformed", error=f"the reply is not JSON: {type(error).__name__}")
    reply = _object(loaded)
    if not reply:
        return Reading(error_kind="malformed", error=f"the reply is a JSON {type(loaded).__name__}, not a completion")
    said = _said(reply)
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        failure = _object(reply.get("error"))
        detail = _text(failure.get("message")) or "no choices"
        return Reading(**said, error_kind="malformed", error=f"the reply holds no answer: {detail[:200]}")
    return _read_choice(_object(cast("list[Any]", choices)[0]), said)


def _read_choice(choice: Object, said: Object) -> Reading:
    message = _object(choice.get("message"))
    text = _content(message.get("content"))
    refusal = _text(message.get("refusal"))
    finish = _FINISH.get(_text(choice.get("finish_reason")) or "", "unknown")
    rationale = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    read = Reading(text=text or "", finish_reason=finish, refusal=refusal, rationale=rationale,
                   logprobs=_logprobs(_object(choice.get("logprobs"))), **said)  # fmt: skip
    if text is not None or refusal is not None or finish in ("length", "content_filter"):
        return read
    return Reading(finish_reason=finish, rationale=rationale, **said, error_kind="malformed",
                   error="the answer is empty")  # fmt: skip


def _said(reply: Object) -> Object:
    return {
        "model_served": _text(reply.get("model")) or "",
        "request_id": _text(reply.get("id")),
        "fingerprint": _text(reply.get("system_fingerprint")),
        "usage": _usage(_object(reply.get("usage"))),
    }


def _usage(usage: Object) -> Usage | None:
    prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(answer):
        return None
    cached = _object(usage.get("prompt_tokens_details")).get("cached_tokens")
    reasoning = _object(usage.get("completion_tokens_details")).get("reasoning_tokens")
    return Usage(
        input_tokens=prompt,
        cached_input_tokens=min(cached, prompt) if _is_count(cached) else 0,
        output_tokens=answer,
        reasoning_tokens=min(reasoning, answer) if _is_count(reasoning) else 0,
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS


def _logprobs(logprobs: Object) -> TopLogprobs | None:
    content = logprobs.get("content")
    if not isinstance(content, list) or not content:
        return None
    steps = [_step(_object(step)) for step in cast("list[Any]", content)]
    if any(step is None for step in steps):
        return None
    whole = [step for step in steps if step is not None]
    return TopLogprobs(
        sampled_tokens=tuple(token for token, _, _ in whole),
        sampled_logprobs=tuple(value for _, value, _ in whole),
        tokens=tuple(tuple(token for token, _ in top) for _, _, top in whole),
        logprobs=tuple(tuple(value for _, value in top) for _, _, top in whole),
    )


def _step(step: Object) -> tuple[str, float, list[tuple[str, float]]] | None:
    sampled = _token(step)
    if sampled is None:
        return None
    top = step.get("top_logprobs")
    pairs = [_token(_object(item)) for item in cast("list[Any]", top)] if isinstance(top, list) else []
    return (*sampled, sorted((pair for pair in pairs if pair is not None), key=lambda pair: (-pair[1], pair[0])))


def _token(item: Object) -> tuple[str, float] | None:
    token, value = _name(item), item.get("logprob")
    if token is None or not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return (token, max(float(value), -9999.0)) if not math.isnan(value) else None
    except OverflowError:
        return None


def _name(item: Object) -> str | None:
    """Return a token's name, by its `bytes` where they say other than its text.

    Some servers show a part of a character as U+FFFD, others as nothing.
    """
    token, data = _text(item.get("token")), item.get("bytes")
    if token is None or (token and is_end(token)) or not _is_bytes(data):
        return token
    return token if bytes(data) in (b"", token.encode(), read_name(token)) else write_name(bytes(data))


def _is_bytes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 256 for one in cast("list[Any]", value)
    )


def _content(content: object) -> str | None:
    """Return the text of a message; some servers send it as a list of parts."""
    if isinstance(content, list):
        parts = [_text(_object(part).get("text")) for part in cast("list[Any]", content)]
        return "".join(part for part in parts if part is not None) or None
    return _text(content) or None


def _object(value: object) -> Object:
    return cast("Object", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """Return a string that can be stored: lone surrogates (legal in JSON, not in UTF-8) become `?`."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
