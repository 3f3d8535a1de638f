"""The nouns between pipeline, buyer and provider. A provider only carries bytes; policy lives in the buyer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from distill.records.completion import Completion, FinishReason, TeacherRequest, TopLogprobs, Usage
from distill.records.json import Json


@dataclass(frozen=True, slots=True)
class Order:
    """One answer wanted: for example `id`, sample number `sample`.

    `recorded` is an answer that already exists (a column of the data, a chat log): then nothing is sent.
    """

    id: str
    sample: int
    request: TeacherRequest
    recorded: str | None = None


class Reply(NamedTuple):
    """What came over the wire; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply as understood. `error_kind` is not None when it holds no usable answer; `usage` None when not given."""

    text: str = ""
    finish_reason: FinishReason = "unknown"
    refusal: str | None = None
    rationale: str | None = None
    model_served: str = ""
    request_id: str | None = None
    fingerprint: str | None = None
    usage: Usage | None = None
    logprobs: TopLogprobs | None = None
    error_kind: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a purchase is: orders done of `total` (None: not known), journal hits, errors, spend so far."""

    done: int
    total: int | None
    journal_hits: int
    errors: int
    usd: float
    refused: int = 0


class Transport(Protocol):
    """Carries one request to a provider. It never retries and never interprets."""

    async def send(self, body: Mapping[str, Json], timeout_s: float) -> Reply:
        """POST a chat completion.

        Raises:
            TeacherError: of kind `timeout` or `connection`: no whole reply came.
        """
        ...

    async def get(self, path: str, timeout_s: float) -> Reply:
        """GET `path` below the base URL.

        Raises:
            TeacherError: of kind `timeout` or `connection`: no whole reply came.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(slots=True)
class Findings:
    """What was learned of the teacher on the way; shown in plan and report."""

    models_served: dict[str, int] = field(default_factory=dict[str, int])
    notes: list[str] = field(default_factory=list[str])


__all__ = ["Completion", "Findings", "Order", "Progress", "Reading", "Reply", "Transport"]
