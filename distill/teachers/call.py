"""One order bought: throttle, budget, send, store, and again where it is worth it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from distill.errors import TeacherError
from distill.records.completion import Completion, TeacherRequest, Usage
from distill.teachers.budget import Account
from distill.teachers.failures import FATAL_KINDS, UnreachedError, classify, redact, redact_bytes
from distill.teachers.journal.protocol import Answer, Attempt, Entry, Failure
from distill.teachers.journal.writer import GroupWriter, Results
from distill.teachers.ledger import Ledger
from distill.teachers.models import serves
from distill.teachers.prices import Price
from distill.teachers.protocol import Order, Reading, Reply, Transport
from distill.teachers.rate import Permit
from distill.teachers.replies import read_reply
from distill.teachers.requests import LimitField, Shape, wire_body
from distill.teachers.retry import is_worth_retrying, pause_s
from distill.teachers.throttle import Throttle
from distill.teachers.tokens import estimated_usage, likely_input_tokens, most_input_tokens

_ASSUMED_ANSWER_TOKENS = 256
_NOT_BILLED = ("rate_limited", "overloaded", "auth", "bad_request", "not_found", "quota", "content_filter")


@dataclass(frozen=True, slots=True)
class Terms:
    """How one teacher is called: times in seconds, and what is kept out of every record."""

    attempt_timeout_s: float
    deadline_s: float
    limit: LimitField
    allow_model_mismatch: bool
    structured_may_fall_back: bool
    secrets: tuple[str, ...]


@dataclass(slots=True)
class Till:
    """What every worker of a purchase shares."""

    terms: Terms
    transport: Transport
    writer: GroupWriter
    throttle: Throttle
    budget: Account
    ledger: Ledger
    price: Price
    stopping: Callable[[], bool]
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  (jitter)
    shape: Shape = "asked"
    answered: int = 0


class Stopped(Exception):  # noqa: N818  (a turn of events, not an error)
    """The purchase is ending: this order was not sent."""


class Bought(NamedTuple):
    """The end of an order. A killed process no longer loses it; once `durable` is done, a power cut does not either."""

    completion: Completion
    durable: asyncio.Future[Results]


class _Leave(NamedTuple):
    permit: Permit
    worst_usd: float
    shape: Shape


class _Try(Exception):  # noqa: N818  (not an error of the package: the turn of one attempt)
    """An attempt failed with `error`; `usage` is what it is known to have used."""

    def __init__(self, error: TeacherError, reply: Reply | None = None, usage: Usage | None = None) -> None:
        self.error, self.reply, self.usage = error, reply, usage
        super().__init__(str(error))


async def buy_one(order: Order, key: str, till: Till) -> Bought:
    """Buy the answer to one claimed order; what cannot be bought comes back as a Completion with an error.

    It returns when the journal has the answer; wait for `durable` before the completion is handed on.

    Raises:
        TeacherError: the failure is one that every other order would meet as well.
        BudgetExceededError: the next attempt could pass the budget.
        StoreError: the journal cannot be written.
        Stopped: the purchase is ending, and nothing of this order is under way.
    """
    failures: dict[str, int] = {}
    started: float | None = None
    attempts = 0
    while True:
        permit, worst = await _admit(order.request, till)
        shape = till.shape
        started = time.monotonic() if started is None else started
        attempts += 1
        try:
            return await _attempt(order, key, till, _Leave(permit, worst, shape), attempts)
        except _Try as failed:
            error = failed.error
        failures[error.kind] = failures.get(error.kind, 0) + 1
        _raise_if_fatal(error, till, failures[error.kind])
        if falls_back(error, order.request, till, shape):
            continue
        pause = pause_s(error, failures[error.kind], till.rng)
        late = time.monotonic() + pause - started > till.terms.deadline_s
        if late or till.stopping() or not is_worth_retrying(error, failures[error.kind]):
            return await _give_up(order, key, till, error, attempts, time.monotonic() - started)
        await asyncio.sleep(pause)


async def _admit(request: TeacherRequest, till: Till) -> tuple[Permit, float]:
    likely = likely_input_tokens(request.messages) + (request.max_output_tokens or _ASSUMED_ANSWER_TOKENS)
    worst = worst_usd(request, till)
    await till.budget.reserve(worst)
    try:
        permit = await till.throttle.admit(likely)
    except BaseException:
        till.budget.settle(worst, 0.0)
        raise
    if till.stopping():
        till.throttle.drop(permit)
        till.budget.settle(worst, 0.0)
        raise Stopped
    return permit, worst


def worst_usd(request: TeacherRequest, till: Till) -> float:
    """Return what a realtime call can cost at most; 0 where there is no budget to keep."""
    if till.budget.limit_usd is None:
        return 0.0
    bound = Usage(most_input_tokens(request), 0, request.max_output_tokens or _ASSUMED_ANSWER_TOKENS * 16)
    return till.price.cost(bound)


async def _attempt(order: Order, key: str, till: Till, leave: _Leave, attempts: int) -> Bought:
    permit, worst, shape = leave
    wall, begun, spent = time.time(), time.monotonic(), worst
    try:
        reply, reading = await _send(order.request, till, shape)
        latency_ms = (time.monotonic() - begun) * 1000
        usage = reading.usage or estimated_usage(order.request, reading.text + (reading.rationale or ""))
        spent = till.ledger.book(usage, till.price)
        till.ledger.attempts += 1
        till.ledger.models_served[reading.model_served] += 1
        till.throttle.succeeded(permit, usage.input_tokens + usage.output_tokens, reply.headers)
        till.answered += 1
        request_id = reply.headers.get("x-request-id") or reading.request_id
        fell_back = shape if order.request.response_format is not None and shape != "asked" else None
        answer = Answer(key, redact_bytes(reply.body, till.terms.secrets), reading.model_served, request_id,
                        reading.fingerprint, usage, spent, latency_ms, attempts, shape_sent=fell_back)  # fmt: skip
        attempt = Attempt(key, wall, latency_ms, 200, None, None, spent, request_id)
        posted = till.writer.post(attempt, answer, *till.budget.spend(spent))
        await posted.written
        return Bought(completion_of(order, answer, _redacted(reading, till.terms.secrets)), posted.durable)
    except _Try as failed:
        spent = _cost_of_failure(failed, order.request, till)
        _settle_permit(failed.error, permit, till)
        latency_ms = (time.monotonic() - begun) * 1000
        till.ledger.attempts += 1
        till.ledger.waste(failed.error.kind, spent, answered=failed.usage is not None)
        status = failed.error.status if failed.reply is None else failed.reply.status
        words = redact(str(failed.error), till.terms.secrets)
        attempt = Attempt(key, wall, latency_ms, status, failed.error.kind, words, spent, None)
        till.writer.write(attempt, *till.budget.spend(spent))
        raise
    except asyncio.CancelledError:
        till.throttle.drop(permit)
        attempt = Attempt(key, wall, (time.monotonic() - begun) * 1000, None, "cut_off", None, None, None)
        till.writer.write(attempt, *till.budget.spend(spent))  # nobody knows whether it was billed
        raise
    finally:
        till.budget.settle(worst, spent)


async def _send(request: TeacherRequest, till: Till, shape: Shape) -> tuple[Reply, Reading]:
    """Send once.

    Raises:
        _Try: there is no usable answer.
    """
    terms = till.terms
    try:
        reply = await till.transport.send(wire_body(request, terms.limit, shape), terms.attempt_timeout_s)
    except TeacherError as error:
        raise _Try(error) from error
    reading, error = understand(reply, request.model, terms)
    if error is not None:
        raise _Try(error, reply, reading.usage)
    return reply, reading


def understand(reply: Reply, model: str | None, terms: Terms) -> tuple[Reading, TeacherError | None]:
    """Read a reply; the error is not None where it holds no answer of `model` (None: of whatever was asked)."""
    if reply.status != 200:
        return Reading(), classify(reply, terms.secrets)
    reading = read_reply(reply.body)
    if reading.error_kind is not None:
        return reading, TeacherError(redact(reading.error or "", terms.secrets), kind="malformed", status=200)
    if model is None or terms.allow_model_mismatch or serves(model, reading.model_served):
        return reading, None
    words = (f"{model!r} was asked for, {redact(reading.model_served, terms.secrets)!r} answered; "
             f"set teacher.allow_model_mismatch: true to take its answers")  # fmt: skip
    return reading, TeacherError(words, kind="wrong_model", status=200)


def _settle_permit(error: TeacherError, permit: Permit, till: Till) -> None:
    if error.kind == "rate_limited":
        till.throttle.refuse(permit, error.retry_after_s)
    elif error.kind in ("overloaded", "timeout", "connection"):
        till.throttle.failed(permit, error)
    else:
        till.throttle.drop(permit)


def _cost_of_failure(failed: _Try, request: TeacherRequest, till: Till) -> float:
    """Price a failed attempt: nothing where the server refused it, the likely cost where nobody can know."""
    if failed.usage is not None:
        return till.price.cost(failed.usage)
    refused = failed.error.kind in _NOT_BILLED and failed.error.status != 200
    never_arrived = isinstance(failed.error, UnreachedError)
    if refused or never_arrived:
        return 0.0
    answer_tokens = request.max_output_tokens or _ASSUMED_ANSWER_TOKENS
    return till.price.cost(Usage(likely_input_tokens(request.messages), 0, answer_tokens))


def _raise_if_fatal(error: TeacherError, till: Till, failures: int) -> None:
    fatal_auth = error.kind == "auth" and (till.answered == 0 or not is_worth_retrying(error, failures))
    if error.kind in FATAL_KINDS or fatal_auth:
        raise error


def falls_back(error: TeacherError, request: TeacherRequest, till: Till, sent: Shape) -> bool:
    """Ask less of a server that refuses the response format; tells whether to try again."""
    if error.kind != "bad_request" or request.response_format is None or sent == "none":
        return False
    words = str(error).lower()
    about_shape = any(word in words for word in ("response_format", "json_schema", "json_object", "guided"))
    if not (till.terms.structured_may_fall_back and about_shape):
        return False
    if till.shape == sent:
        till.shape = "json_object" if sent == "asked" and "json_object" not in words else "none"
    return True


async def _give_up(order: Order, key: str, till: Till, error: TeacherError, attempts: int, seconds: float) -> Bought:
    words = redact(str(error), till.terms.secrets)
    failure = Failure(key, error.kind, words, attempts)
    posted = till.writer.post(failure)
    await posted.written
    return Bought(failed_completion(order, failure, seconds * 1000), posted.durable)


def completion_of(order: Order, answer: Answer, reading: Reading | None = None) -> Completion:
    """Build a Completion from what the journal holds."""
    read = read_reply(answer.raw) if reading is None else reading
    return Completion(
        id=order.id,
        sample=order.sample,
        key=answer.key,
        text=read.text,
        finish_reason=read.finish_reason,
        model=order.request.model,
        model_served=answer.model_served,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        latency_ms=None if answer.batch else answer.latency_ms,
        refusal=read.refusal,
        rationale=read.rationale,
        logprobs=read.logprobs,
        provider_request_id=answer.provider_request_id,
        system_fingerprint=answer.system_fingerprint,
        error_kind=read.error_kind,
        error=read.error,
        attempts=answer.attempts,
    )


def failed_completion(order: Order, failure: Failure, latency_ms: float | None = None) -> Completion:
    """Build the Completion that stands in for an answer that could not be had."""
    return Completion(id=order.id, sample=order.sample, key=failure.key, text="", finish_reason="unknown",
                      model=order.request.model, model_served="", usage=Usage(), cost_usd=0.0, latency_ms=latency_ms,
                      error_kind=failure.error_kind, error=failure.error, attempts=failure.attempts)  # fmt: skip


def completion_of_entry(order: Order, entry: Entry) -> Completion:
    """Build the Completion of an order that the journal already settled."""
    if entry.answer is not None:
        return completion_of(order, entry.answer)
    failure = entry.failure or Failure(entry.key, "malformed", "the journal holds neither answer nor failure", 0)
    return failed_completion(order, failure)


def _redacted(reading: Reading, secrets: tuple[str, ...]) -> Reading | None:
    """Return None, so that the stored (redacted) bytes are read again, where a secret stands in the answer."""
    return None if any(secret and secret in reading.text for secret in secrets) else reading
