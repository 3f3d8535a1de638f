"""A request as a row of the request log."""

from __future__ import annotations

from distill.records.json import Json, dump_canonical
from distill.records.live import ServedRequest
from distill.serving.gateway import Gateway, Outcome
from distill.serving.wire import ChatBody, WireError


def record_answer(
    gateway: Gateway, body: ChatBody, outcome: Outcome, request_id: str, latency_ms: float
) -> ServedRequest:
    """Return the row of an answered request."""
    text = "\n".join(_show(value) for value in outcome.columns.values())
    return ServedRequest(
        request_id,
        gateway.clock(),
        gateway.name,
        outcome.version,
        outcome.model,
        outcome.answered_by,
        200,
        latency_ms,
        text,
        len(text),
        outcome.columns,
        outcome.text,
        outcome.student_answer,
        outcome.confidence,
        outcome.threshold,
        outcome.reason,
        side=outcome.side,
        slices=body.metadata or {},
        cost_usd=outcome.cost_usd,
    )


def record_failure(
    gateway: Gateway, body: ChatBody, error: WireError, request_id: str, latency_ms: float
) -> ServedRequest:
    """Return the row of a request that nobody could answer, though the teacher may have been paid."""
    return ServedRequest(
        request_id,
        gateway.clock(),
        gateway.name,
        gateway.student.version,
        "",
        "none",
        error.status,
        latency_ms,
        error_kind=error.code,
        reason=error.code,
        slices=body.metadata or {},
        cost_usd=error.cost_usd,
    )


def _show(value: Json) -> str:
    return value if isinstance(value, str) else dump_canonical(value)
