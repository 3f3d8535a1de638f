"""The same calls through the `openai` client: the reference for what is sent, and the road for files and batches."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import openai

from distill.errors import TeacherError
from distill.records.json import Json
from distill.teachers.failures import UnreachedError
from distill.teachers.protocol import Reply
from distill.teachers.wire import connection_words


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def content(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class SdkTransport:
    """`openai.AsyncOpenAI` with its own retries off."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base = base_url.rstrip("/")
        self.client = openai.AsyncOpenAI(api_key=api_key, base_url=self._base, max_retries=0)

    async def send(self, body: Mapping[str, Json], timeout_s: float) -> Reply:
        create: Any = self.client.chat.completions.with_raw_response.create
        return await self.call(create(**body, timeout=timeout_s), timeout_s)

    async def get(self, path: str, timeout_s: float) -> Reply:
        options: Any = {"headers": {"X-Stainless-Raw-Response": "true"}, "timeout": timeout_s}
        return await self.call(self.client.get(path, cast_to=object, options=options), timeout_s)

    async def close(self) -> None:
        await self.client.close()

    async def call(self, raw_call: Awaitable[Any], timeout_s: float) -> Reply:
        """Await a raw-response call of the client and translate what comes of it.

        Raises:
            TeacherError: of kind `timeout` or `connection`: no whole reply came.
        """
        try:
            return _reply((await raw_call).http_response)
        except openai.APIStatusError as error:
            return _reply(error.response)
        except openai.APITimeoutError as error:
            raise TeacherError(f"no reply within {timeout_s:g} s", kind="timeout") from error
        except openai.APIConnectionError as error:
            reason = error.__cause__ or error
            kind = UnreachedError if type(reason).__name__ == "ConnectError" else TeacherError
            raise kind(connection_words(self._base, reason), kind="connection") from error


def _reply(response: _Response) -> Reply:
    return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)
