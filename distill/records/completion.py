"""What is asked of a teacher and what it answered. Raw: parsing is the task's business."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from distill.records.json import Json, dump_canonical

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]


class Message(NamedTuple):
    """One chat message; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class TeacherRequest:
    """One question to a teacher, with all that decides its answer and nothing else.

    `provider` names who answers (for a custom endpoint: provider@host), never a port of a moment.
    `response_format` is the OpenAI `response_format` object or None.
    """

    provider: str
    model: str
    messages: tuple[Message, ...]
    temperature: float | None = 0.0
    max_output_tokens: int | None = None
    top_logprobs: int = 0
    response_format: Mapping[str, Json] | None = None

    def key(self, sample: int = 0) -> str:
        """Return the journal key: sha256 (64 hex digits) of the canonical request and sample number."""
        body: dict[str, Json] = {name: getattr(self, name) for name in self.__slots__}
        body["messages"] = [{"role": role, "content": content} for role, content in self.messages]
        text = dump_canonical({"scheme": 1, "request": body, "sample": sample})
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call. `input_tokens` includes the cached ones, `output_tokens` the reasoning ones.

    `estimated` is True where the provider reported nothing and the numbers are ours.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class TopLogprobs:
    """Per answer token (T of them): the sampled token, its natural-log probability, and K alternatives.

    `tokens[t]` and `logprobs[t]` have equal length, best first.
    """

    sampled_tokens: tuple[str, ...]
    sampled_logprobs: tuple[float, ...]
    tokens: tuple[tuple[str, ...], ...]
    logprobs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """One teacher answer, or the error that stands in its place (`error_kind` is then not None).

    `latency_ms` is None where it was not measured: recorded answers, those of a batch, failures known from before.
    """

    id: str
    sample: int
    key: str
    text: str
    finish_reason: FinishReason
    model: str
    model_served: str
    usage: Usage
    cost_usd: float | None
    latency_ms: float | None
    refusal: str | None = None
    rationale: str | None = None
    logprobs: TopLogprobs | None = None
    provider_request_id: str | None = None
    system_fingerprint: str | None = None
    error_kind: str | None = None
    error: str | None = None
    attempts: int = 1
