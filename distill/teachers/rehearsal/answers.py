"""From a chat request to the body of a chat completion, token usage and label log-probabilities included."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from distill.records.json import Json
from distill.teachers.rehearsal.knowledge import Knowledge, Reply
from distill.teachers.rehearsal.spelling import spell_out, split_words
from distill.teachers.tokens import likely_tokens

_CREATED = 1_767_225_600
_LEAST_LOGPROB = -20.0
_END = "<|end|>"


def prompt_of(body: Mapping[str, Any], knowledge: Knowledge) -> str | None:
    """Return the question of a request: the last user message that is known, else the last; None: there is none.

    A teacher that is asked to mend its answer reads the complaint last, and answers the question before it.
    """
    messages: Any = body.get("messages")
    said: list[str] = []
    for message in reversed(cast("list[Any]", messages if isinstance(messages, list) else [])):
        content = cast("dict[str, Any]", message).get("content") if isinstance(message, dict) else None
        if isinstance(content, str) and cast("dict[str, Any]", message).get("role") == "user":
            said.append(content)
    return next((text for text in said if len(said) > 1 and knowledge.knows(text)), said[0] if said else None)


def complete(body: Mapping[str, Any], prompt: str, knowledge: Knowledge, *, turn: int) -> dict[str, Json]:
    """Answer a request. Above temperature 0, the answer is drawn from the label probabilities, seeded by turn."""
    top = int(body.get("top_logprobs") or 0) if body.get("logprobs") else 0
    temperature = body.get("temperature")
    samples = isinstance(temperature, (int, float)) and temperature > 0
    reply = knowledge.answer(prompt, with_labels=bool(body.get("logprobs")) or samples)
    text = _draw(reply, prompt, turn, float(cast("float", temperature))) if samples else reply.text
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    tokens = max(1, likely_tokens(text))
    cut = isinstance(limit, int) and 0 < limit < tokens
    if cut:
        text, tokens = text[: limit * 4], limit
    message: dict[str, Json] = {"role": "assistant", "content": text, "refusal": None}
    if reply.rationale is not None:
        message["reasoning_content"] = reply.rationale
    choice: dict[str, Json] = {
        "index": 0,
        "message": message,
        "logprobs": {"content": _spell(text, reply.labels, top)} if body.get("logprobs") else None,
        "finish_reason": "length" if cut else "stop",
    }
    return envelope(body, prompt, choice, tokens, likely_tokens(reply.rationale) if reply.rationale else 0)


def envelope(
    body: Mapping[str, Any], prompt: str, choice: Mapping[str, Json], tokens: int, reasoning_tokens: int = 0
) -> dict[str, Json]:
    """Wrap a choice as a chat completion with usage; reasoning counts as output, as with the vendors."""
    messages = cast("Sequence[Mapping[str, Any]]", body.get("messages") or ())
    spent = 3 + sum(4 + likely_tokens(str(message.get("content") or "")) for message in messages)
    return {
        "id": "chatcmpl-" + hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:24],
        "object": "chat.completion",
        "created": _CREATED,
        "model": str(body.get("model")),
        "choices": [choice],
        "usage": {
            "prompt_tokens": spent,
            "completion_tokens": tokens + reasoning_tokens,
            "total_tokens": spent + tokens + reasoning_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
        },
        "system_fingerprint": "fp_rehearsal",
    }


def _spell(text: str, labels: Sequence[tuple[str, float]], top: int) -> list[Json]:
    """Describe an answer word by word, each with its rivals; its end, as with most servers, is not among them."""
    shares = dict(labels)
    steps = spell_out(text, shares if text in shares else {text: 1.0}, split_words, top, _END)
    return [
        {**_token(step.token, step.probability), "top_logprobs": [_token(*pair) for pair in step.top]}
        for step in steps[:-1]
    ]


def _token(token: str, probability: float) -> dict[str, Json]:
    logprob = max(math.log(probability), _LEAST_LOGPROB) if probability > 0 else _LEAST_LOGPROB
    return {"token": token, "logprob": round(logprob, 6), "bytes": list(token.encode())}


def _draw(reply: Reply, prompt: str, turn: int, temperature: float) -> str:
    digest = hashlib.sha256(f"{turn}\n{prompt}".encode("utf-8", "replace")).digest()
    weights = [(label, share ** (1 / temperature)) for label, share in reply.labels]
    point = int.from_bytes(digest[:7], "big") / 2**56 * sum(weight for _, weight in weights)
    for label, weight in weights:
        point -= weight
        if point < 0:
            return label
    return reply.text
