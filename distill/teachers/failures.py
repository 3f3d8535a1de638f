"""From a refused call to a TeacherError of one kind, the same for every transport; keys are redacted here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast

from distill.errors import TeacherError, TeacherErrorKind
from distill.teachers.protocol import Reply

FATAL_KINDS: frozenset[str] = frozenset({"not_found", "quota", "wrong_model", "sunset", "terms", "price_unknown"})
"""Failures that the next order would meet as well: they end the purchase (`auth` too, unless answers came before)."""
TRANSIENT_KINDS: frozenset[str] = frozenset({"rate_limited", "overloaded", "timeout", "connection", "malformed"})
REDACTED = "[key redacted]"
_KEY_SHAPE = re.compile(r"\b(?:sk|key|pk|gsk|xai)-[A-Za-z0-9_\-]{12,}")
_MAX_RETRY_AFTER_S = 3600.0
_HINTS: dict[str, str] = {
    "auth": "check the key in the variable that teacher.api_key_env names",
    "not_found": "check teacher.model and teacher.base_url",
    "quota": "the account has no credit left",
}


class UnreachedError(TeacherError):
    """Raised when no connection came about: the request was not sent, so it costs nothing."""


def classify(reply: Reply, secrets: Sequence[str] = ()) -> TeacherError:
    """Map a reply that is not 200 to its error."""
    code, message = _said(reply.body)
    kind = _kind(reply.status, code, message)
    hint = _HINTS.get(kind)
    words = f"the teacher answered {reply.status}" + (f" ({code})" if code else "")
    text = redact(f"{words}: {message[:300] or 'no message'}", secrets) + (f"; {hint}" if hint else "")
    return TeacherError(text, kind=kind, status=reply.status, retry_after_s=retry_after(reply.headers))


def redact(text: str, secrets: Sequence[str]) -> str:
    """Replace each secret, and whatever has the shape of an API key, by a fixed word."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    return _KEY_SHAPE.sub(REDACTED, text)


def redact_bytes(body: bytes, secrets: Sequence[str]) -> bytes:
    """Replace each secret in a raw body that is about to be stored."""
    for secret in secrets:
        raw = secret.encode()
        if raw and raw in body:
            body = body.replace(raw, REDACTED.encode())
    return body


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the server's wish in seconds (0 to an hour): retry-after-ms, or Retry-After as seconds or a date."""
    try:
        if "retry-after-ms" in headers:
            return _bounded(float(headers["retry-after-ms"]) / 1000)
        wish = headers.get("retry-after")
        if wish is None:
            return None
        try:
            return _bounded(float(wish))
        except ValueError:
            at = parsedate_to_datetime(wish).timestamp()
            return _bounded(at - (time.time() if now is None else now))
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S) if seconds == seconds else None  # NaN is no wish


def _kind(status: int, code: str, message: str) -> TeacherErrorKind:
    text = f"{code} {message}".lower()
    if status in (401, 403):
        return "auth"
    if status == 404:
        return "not_found"
    if status == 402 or "insufficient_quota" in text:
        return "quota"
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    if status >= 500 or status in (409, 425):
        return "overloaded"
    if "content_filter" in text or "content_policy" in text or "responsibleaipolicy" in text:
        return "content_filter"
    return "bad_request"


def _said(body: bytes) -> tuple[str, str]:
    """Return the provider's error code and message, as far as the body has them."""
    try:
        loaded: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", body[:300].decode("utf-8", "replace").strip()
    outer = cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
    inner: Any = outer.get("error", outer)
    if not isinstance(inner, dict):
        return "", str(inner)[:300]
    error = cast("dict[str, Any]", inner)
    code = error.get("code") or error.get("type") or ""
    return str(code)[:80], str(error.get("message") or error.get("detail") or "")
