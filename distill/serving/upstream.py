"""Asking an OpenAI-compatible server: the teacher behind the gateway, or a student served elsewhere.

Plain aiohttp: one pooled session, no hidden retry, and nothing of the `openai` client's cost on the hot path.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from distill.errors import TeacherError, TeacherErrorKind
from distill.records.completion import Message, Usage
from distill.records.json import Json
from distill.records.training import Answer, Prompt
from distill.serving.config import FallbackConfig, UpstreamConfig
from distill.serving.wire import dump

_MAX_REPLY_BYTES = 8 * 1024 * 1024
_KINDS: dict[int, TeacherErrorKind] = {
    400: "bad_request",
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    422: "bad_request",
    429: "rate_limited",
}


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What came back; `confidence` is exp(mean token log-probability) where there are any, else None."""

    text: str
    model: str
    usage: Usage
    confidence: float | None = None
    finish_reason: str = "stop"


class FallbackTeacher(Protocol):
    """Who answers where the student should not."""

    model: str

    def worst_cost_usd(self, messages: Sequence[Message]) -> float:
        """Return what one call can cost at most; 0 where prices are unknown."""
        ...

    def cost_usd(self, usage: Usage) -> float | None:
        """Return what a call cost; None where prices are unknown."""
        ...

    async def complete(self, messages: Sequence[Message]) -> ChatReply:
        """Answer.

        Raises:
            TeacherError: there is no usable answer; `kind` says why.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class ChatClient:
    """One endpoint's chat completions."""

    def __init__(self, base_url: str, api_key: str | None, timeout_s: float, connections: int = 256) -> None:
        """Take the endpoint (ending in /v1), its key and the time for one call."""
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._key = api_key
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def complete(self, body: dict[str, Json]) -> ChatReply:
        """POST one chat completion.

        Raises:
            TeacherError: no whole, readable answer came.
        """
        try:
            async with self._open().post(self._url, data=dump(body)) as response:
                data = await response.content.read(_MAX_REPLY_BYTES + 1)
                while not response.content.at_eof() and len(data) <= _MAX_REPLY_BYTES:
                    data += await response.content.read(_MAX_REPLY_BYTES + 1 - len(data))
                status, retry_after = response.status, response.headers.get("Retry-After")
        except TimeoutError as error:
            raise TeacherError("no answer in time", kind="timeout") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TeacherError(f"no connection ({type(error).__name__})", kind="connection") from error
        if status != 200:
            kind = _KINDS.get(status, "overloaded" if status >= 500 else "bad_request")
            wait = float(retry_after) if retry_after and retry_after.isdigit() else None
            raise TeacherError(f"status {status}", kind=kind, status=status, retry_after_s=wait)
        if len(data) > _MAX_REPLY_BYTES:
            raise TeacherError("the reply is too large", kind="malformed")
        return read_reply(data)

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            headers = {"Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, headers=headers)
        return self._session


def read_reply(data: bytes) -> ChatReply:
    """Read a chat.completion object.

    Raises:
        TeacherError: of kind `malformed`: it is not one, or holds no text.
    """
    try:
        body = json.loads(data)
        choice = body["choices"][0]
        text = choice["message"]["content"]
        model, usage = body.get("model") or "", body.get("usage") or {}
        if not isinstance(text, str) or not isinstance(model, str):
            raise TypeError("no text")  # noqa: TRY301 one place says what is unreadable
        counts = Usage(int(usage.get("prompt_tokens", 0)), 0, int(usage.get("completion_tokens", 0)))
        logprobs = [float(token["logprob"]) for token in ((choice.get("logprobs") or {}).get("content") or [])]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise TeacherError(f"unreadable reply ({type(error).__name__})", kind="malformed") from error
    confidence = math.exp(min(0.0, sum(logprobs) / len(logprobs))) if logprobs else None
    if confidence is not None and not math.isfinite(confidence):
        confidence = None
    return ChatReply(text, model, counts, confidence, str(choice.get("finish_reason") or "stop"))


class HttpTeacher:
    """A `FallbackTeacher` behind an OpenAI-compatible API; retries what may pass, within the config's attempts."""

    def __init__(self, config: FallbackConfig) -> None:
        """Bind the config; the key is read from the environment now."""
        self.model, self._config = config.model, config
        self._client = ChatClient(config.base_url, os.environ.get(config.api_key_env), config.timeout_s)
        self._slots = asyncio.Semaphore(config.concurrency)

    def worst_cost_usd(self, messages: Sequence[Message]) -> float:
        """Return the price of as many input tokens as bytes, and of a full answer, for every attempt."""
        size = sum(len(message.content.encode("utf-8", "replace")) + 8 for message in messages)
        usage = Usage(size, 0, self._config.max_output_tokens)
        return (self.cost_usd(usage) or 0.0) * self._config.attempts

    def cost_usd(self, usage: Usage) -> float | None:
        """Return what a call cost; None where prices are unknown."""
        price_in, price_out = self._config.input_usd_per_million, self._config.output_usd_per_million
        if price_in is None or price_out is None:
            return None
        return (usage.input_tokens * price_in + usage.output_tokens * price_out) / 1e6

    async def complete(self, messages: Sequence[Message]) -> ChatReply:
        """Answer.

        Raises:
            TeacherError: there is no usable answer; `kind` says why.
        """
        body: dict[str, Json] = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "max_tokens": self._config.max_output_tokens,
        }
        if self._config.temperature is not None:
            body["temperature"] = self._config.temperature
        async with self._slots:
            for attempt in range(1, self._config.attempts + 1):
                try:
                    return await self._client.complete(body)
                except TeacherError as error:
                    passing = error.kind in ("timeout", "connection", "overloaded", "rate_limited")
                    if attempt == self._config.attempts or not passing:
                        raise
                    await asyncio.sleep(min(error.retry_after_s or 0.1 * attempt, 2.0))
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


class UpstreamStudent:
    """A student served elsewhere, as something that answers prompts one by one; the server batches."""

    def __init__(self, config: UpstreamConfig) -> None:
        """Bind the config; the key is read from the environment now."""
        key = os.environ.get(config.api_key_env) if config.api_key_env else None
        self._config = config
        self._client = ChatClient(config.base_url, key, config.timeout_s, connections=1024)

    async def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt; a failure is an answer with `error_kind`."""
        messages: list[Json] = [{"role": "user", "content": prompt.user}]
        if prompt.system is not None:
            messages.insert(0, {"role": "system", "content": prompt.system})
        body: dict[str, Json] = {
            "model": self._config.model,
            "messages": messages,
            "max_tokens": self._config.max_output_tokens,
            "temperature": 0,
        }
        if self._config.logprobs:
            body["logprobs"] = True
        try:
            reply = await self._client.complete(body)
        except TeacherError as error:
            return Answer(prompt.id, "", error_kind=f"upstream_{error.kind}")
        usage = reply.usage
        error_kind = "truncated" if reply.finish_reason == "length" else None
        return Answer(prompt.id, reply.text, reply.confidence, usage.input_tokens, usage.output_tokens, 0.0, error_kind)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


class StudentEngine(Protocol):
    """What answers prompts in the gateway: a `Batcher` or an `UpstreamStudent`."""

    async def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt; a failure is an answer with `error_kind`."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go."""
        ...


__all__ = ["ChatClient", "ChatReply", "FallbackTeacher", "HttpTeacher", "StudentEngine", "UpstreamStudent"]
