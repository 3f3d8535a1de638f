"""/v1/files and /v1/batches through the `openai` client. Patient with passing trouble; a batch is never made twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

from distill.errors import TeacherError
from distill.teachers.failures import TRANSIENT_KINDS, classify
from distill.teachers.protocol import Reply
from distill.teachers.sdk import SdkTransport

_TIMEOUT_S = 600.0
_TRIES = 6
_FIRST_PAUSE_S = 0.5
_NAME = "distill"
ENDPOINT = "/v1/chat/completions"
State = Literal["working", "ended", "failed", "cancelled"]
_STATES: dict[str, State] = {"completed": "ended", "expired": "ended", "failed": "failed", "cancelled": "cancelled"}


class Batch(NamedTuple):
    """A batch as the provider tells of it; `problem` says in words why it failed."""

    id: str
    state: State
    status: str
    files: tuple[str, ...]
    problem: str


class BatchService:
    """Files and batches of one account; opened within a running loop."""

    def __init__(self, base_url: str, api_key: str, secrets: tuple[str, ...]) -> None:
        self._transport = SdkTransport(base_url, api_key)
        self._secrets = secrets

    async def upload(self, data: bytes) -> str:
        """Upload a file of requests; returns its id.

        Raises:
            TeacherError: the provider refuses it, or cannot be reached for long.
        """
        files: Any = self._transport.client.files.with_raw_response
        return str((await self._ask(lambda: files.create(file=("requests.jsonl", data), purpose="batch")))["id"])

    async def create(self, file_id: str, token: str) -> Batch:
        """Make a batch of an uploaded file, once: where the answer is lost, it is looked for by its token.

        Raises:
            TeacherError: the provider refuses it, or cannot be reached for long.
        """
        batches: Any = self._transport.client.batches.with_raw_response
        for left in reversed(range(_TRIES)):
            try:
                made = await self._once(
                    batches.create(input_file_id=file_id, endpoint=ENDPOINT, completion_window="24h",
                                   metadata={_NAME: token}, timeout=_TIMEOUT_S))  # fmt: skip
                return _batch(made)
            except TeacherError as error:
                if error.kind not in TRANSIENT_KINDS or not left:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S)
                found = await self.find(token)
                if found is not None:
                    return found
        raise AssertionError("unreachable")

    async def look(self, batch_id: str) -> Batch | None:
        """Return how a batch stands, None where the provider does not know it.

        Raises:
            TeacherError: the provider cannot be reached for long.
        """
        batches: Any = self._transport.client.batches.with_raw_response
        try:
            return _batch(await self._ask(lambda: batches.retrieve(batch_id)))
        except TeacherError as error:
            if error.kind == "not_found":
                return None
            raise

    async def find(self, token: str) -> Batch | None:
        """Return the batch that was made with `token`, if there is one among the last hundred.

        Raises:
            TeacherError: the provider cannot be reached for long.
        """
        batches: Any = self._transport.client.batches.with_raw_response
        listed = await self._ask(lambda: batches.list(limit=100))
        for item in cast("list[dict[str, Any]]", listed.get("data") or []):
            if (item.get("metadata") or {}).get(_NAME) == token:
                return _batch(item)
        return None

    async def fetch(self, file_id: str) -> bytes:
        """Return the content of a file.

        Raises:
            TeacherError: the provider does not have it, or cannot be reached for long.
        """
        files: Any = self._transport.client.files.with_raw_response
        return (await self._persist(lambda: files.content(file_id))).body

    async def close(self) -> None:
        """Close connections."""
        await self._transport.close()

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
        return _object((await self._persist(call)).body)

    async def _persist(self, call: Callable[[], Awaitable[Any]]) -> Reply:
        for left in reversed(range(_TRIES)):
            try:
                return await self._reply(call())
            except TeacherError as error:
                if error.kind not in TRANSIENT_KINDS or not left:
                    raise
                pause_s = _FIRST_PAUSE_S * 2 ** (_TRIES - 1 - left)
                await asyncio.sleep(max(pause_s, error.retry_after_s or 0.0))
        raise AssertionError("unreachable")

    async def _once(self, call: Awaitable[Any]) -> dict[str, Any]:
        return _object((await self._reply(call)).body)

    async def _reply(self, call: Awaitable[Any]) -> Reply:
        reply = await self._transport.call(call, _TIMEOUT_S)
        if reply.status >= 300:
            raise classify(reply, self._secrets)
        return reply


def _object(body: bytes) -> dict[str, Any]:
    try:
        loaded: Any = json.loads(body)
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict):
        raise TeacherError("the provider's answer about a batch or file is not a JSON object", kind="malformed")
    return cast("dict[str, Any]", loaded)


def _batch(said: Mapping[str, Any]) -> Batch:
    status = str(said.get("status"))
    files = tuple(str(said[name]) for name in ("output_file_id", "error_file_id") if said.get(name))
    problems: Any = (said.get("errors") or {}).get("data") or []
    words = "; ".join(str(problem.get("message")) for problem in problems if isinstance(problem, dict))
    return Batch(str(said.get("id")), _STATES.get(status, "working"), status, files, words[:300])
