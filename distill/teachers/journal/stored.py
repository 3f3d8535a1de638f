"""How requests, replies and attempts lie in a journal's tables, the same in every database.

Bytes over a kilobyte are packed; the digest is over the bytes as they lie, so a check needs no unpacking.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from distill.errors import StoreError
from distill.records.completion import Message, TeacherRequest, Usage
from distill.records.json import Json, dump_canonical
from distill.teachers.journal.protocol import Answer, Attempt, Intent, JournalStats, Record

_PACK_OVER_BYTES = 1024
_PACKED = b"\x00z"
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
"""No reply is this large; a damaged or hostile journal must not fill the memory."""

ANSWER_COLUMNS = (
    "key", "raw", "digest", "model_served", "provider_request_id", "fingerprint", "input_tokens",
    "cached_input_tokens", "output_tokens", "reasoning_tokens", "estimated", "cost_usd", "latency_ms", "attempts",
    "batch", "shape_sent", "stored",
)  # fmt: skip
"""The columns of `answers`, in the order of `answer_row`."""


def answer_row(answer: Answer, now: float) -> tuple[object, ...]:
    """Return an answer's row, in the order of ANSWER_COLUMNS."""
    raw, usage = pack(answer.raw), answer.usage
    tokens = (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens)
    said = (answer.model_served, answer.provider_request_id, answer.system_fingerprint)
    tail = (answer.latency_ms, answer.attempts, int(answer.batch), answer.shape_sent, now)
    return (answer.key, raw, digest(raw), *said, *tokens, int(usage.estimated), answer.cost_usd, *tail)


def read_answer(row: Sequence[Any]) -> Answer:
    """Return the answer of a row in the order of ANSWER_COLUMNS.

    Raises:
        StoreError: its bytes are damaged.
    """
    key, raw, _, served, request_id, fingerprint = row[:6]
    estimated, cost_usd, latency_ms, attempts, batch, shape_sent = row[10:16]
    usage = Usage(row[6], row[7], row[8], row[9], bool(estimated))
    return Answer(key, unpack(as_bytes(raw)), served, request_id, fingerprint, usage, cost_usd, latency_ms, attempts,
                  bool(batch), shape_sent)  # fmt: skip


def totals(
    states: Mapping[str, int],
    tries: Sequence[Sequence[Any]],
    sums: Sequence[Any],
    by_model: Mapping[str, int],
    outcome_unknown: int,
) -> JournalStats:
    """Put totals together from requests by state, (error kind, attempts, dollars) rows, and sums over the answers.

    `sums` are input, cached input, output and reasoning tokens, then dollars.
    """
    wasted = sum(float(usd) for kind, _, usd in tries if kind)
    inputs, cached, outputs, reasoning = (int(tokens) for tokens in sums[:4])
    return JournalStats(
        answered=states.get("answered", 0),
        failed=states.get("failed", 0),
        unsettled=states.get("intended", 0),
        outcome_unknown=outcome_unknown,
        attempts=sum(int(n) for _, n, _ in tries),
        attempts_by_error={str(kind): int(n) for kind, n, _ in tries if kind},
        input_tokens=inputs,
        cached_input_tokens=cached,
        output_tokens=outputs,
        reasoning_tokens=reasoning,
        usd=float(sums[4]) + wasted,
        wasted_usd=wasted,
        by_model=by_model,
    )


def dump_request(request: TeacherRequest) -> bytes:
    """Return a request as it is stored."""
    body: dict[str, Json] = {name: getattr(request, name) for name in request.__slots__}
    return pack(dump_canonical(body).encode("utf-8", "surrogatepass"))


def load_request(packed: bytes) -> TeacherRequest:
    """Return a stored request.

    Raises:
        StoreError: its bytes are damaged.
    """
    try:
        body = json.loads(unpack(packed).decode("utf-8", "surrogatepass"))
        return TeacherRequest(**body | {"messages": tuple(Message(*message) for message in body["messages"])})
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise StoreError(f"a stored request cannot be read: {' '.join(str(error).split())[:200]}") from error


def pack(data: bytes) -> bytes:
    """Compress what is worth it, and what would be taken for compressed."""
    worth_it = len(data) > _PACK_OVER_BYTES or data.startswith(_PACKED)
    return _PACKED + zlib.compress(data, 1) if worth_it else data


def unpack(data: bytes) -> bytes:
    """Undo `pack`.

    Raises:
        StoreError: the bytes are damaged, or unfold to more than any reply.
    """
    if not data.startswith(_PACKED):
        return data
    try:
        stream = zlib.decompressobj()
        plain = stream.decompress(data[len(_PACKED) :], MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise StoreError(f"a stored text is damaged: {error}") from error
    if not stream.eof:
        raise StoreError("a stored text is cut off, or unfolds to more than a reply can be")
    return plain


def as_bytes(stored: object) -> bytes:
    """Return what a database gave for bytes.

    Raises:
        StoreError: it gave something else: somebody wrote to the journal by hand.
    """
    if not isinstance(stored, bytes | bytearray | memoryview):
        raise StoreError(f"a stored text is of type {type(stored).__name__}, not bytes")
    return bytes(stored)


def refuse_version(found: str | None, known: int) -> str | None:
    """Say why a journal of that version cannot be used; None when it can."""
    if found is None or not found.isascii() or not found.isdigit():
        return f"the journal has no version, this distill writes {known}"
    return None if int(found) <= known else f"the journal has version {found}, this distill writes {known}"


def digest(raw: bytes) -> str:
    """Return the SHA-256 of bytes as they lie, 64 hex digits."""
    return hashlib.sha256(raw).hexdigest()


def find_forgery(key: str, raw: object, said: object) -> str | None:
    """Say what is wrong with a stored reply; None when it has its digest."""
    try:
        whole = digest(as_bytes(raw)) == said
    except StoreError as error:
        return f"{key}: {error}"
    return None if whole else f"{key}: the stored reply does not match its digest"


def find_damage(key: str, sample: int, packed: object) -> str | None:
    """Say what is wrong with a stored request; None when it has its key."""
    try:
        whole = load_request(as_bytes(packed)).key(sample) == key
    except (StoreError, TypeError, ValueError, AttributeError) as error:
        return f"{key}: {error}"
    return None if whole else f"{key}: the stored request does not match its key"


def exported(record: Record) -> dict[str, Json]:
    """Return all that is known of one request as plain values."""
    intent, answer = record.intent, record.answer
    request: dict[str, Json] = {name: getattr(intent.request, name) for name in intent.request.__slots__}
    return {
        "key": intent.key,
        "sample": intent.sample,
        "state": record.state,
        "request": json.loads(dump_canonical(request)),
        "error_kind": record.error_kind,
        "error": record.error,
        "answer": None if answer is None else _exported_answer(answer),
        "attempts": [_exported_attempt(attempt) for attempt in record.attempts],
    }


def _exported_answer(answer: Answer) -> dict[str, Json]:
    usage = answer.usage
    return {
        "raw": answer.raw.decode("utf-8", "replace"),
        "model_served": answer.model_served,
        "provider_request_id": answer.provider_request_id,
        "system_fingerprint": answer.system_fingerprint,
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage_estimated": usage.estimated,
        "cost_usd": answer.cost_usd,
        "latency_ms": None if answer.batch else answer.latency_ms,
        "batch": answer.batch,
    }


def _exported_attempt(attempt: Attempt) -> dict[str, Json]:
    return {name: value for name, value in attempt._asdict().items() if name != "key"}


def record_of(request_row: Sequence[Any], answer: Answer | None, attempts: Sequence[Attempt]) -> Record:
    """Build a record from `key, sample, request, state, created, updated, error_kind, error, attempts`.

    Raises:
        StoreError: the request is damaged.
    """
    key, sample, packed, state, created, updated, error_kind, error, tries = request_row
    intent = Intent(key, sample, load_request(as_bytes(packed)))
    return Record(intent, state, created, updated, error_kind, error, tries, answer, tuple(attempts))
