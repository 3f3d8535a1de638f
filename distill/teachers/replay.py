"""Answers that exist already: nothing is sent, token counts are estimates and marked so."""

from __future__ import annotations

from distill.records.completion import Completion
from distill.teachers.protocol import Order
from distill.teachers.tokens import estimated_usage


def recorded_completion(order: Order, key: str) -> Completion:
    """Turn an order's recorded answer into a completion; it costs nothing now."""
    text = order.recorded or ""
    return Completion(
        id=order.id,
        sample=order.sample,
        key=key,
        text=text,
        finish_reason="stop",
        model=order.request.model,
        model_served=order.request.model,
        usage=estimated_usage(order.request, text),
        cost_usd=0.0,
        latency_ms=None,
        attempts=0,
    )


def missing_completion(order: Order, key: str) -> Completion:
    """Stand in for an answer that the recording does not have: counted, never invented."""
    return Completion(
        id=order.id,
        sample=order.sample,
        key=key,
        text="",
        finish_reason="unknown",
        model=order.request.model,
        model_served="",
        usage=estimated_usage(order.request, ""),
        cost_usd=0.0,
        latency_ms=None,
        error_kind="not_recorded",
        error="this row has no recorded answer, and a replay teacher sends nothing",
        attempts=0,
    )
