"""The hot path: one thin aiohttp POST per request. A contract test holds it byte for byte to the `openai` client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from distill.errors import TeacherError
from distill.records.json import Json
from distill.teachers.failures import UnreachedError
from distill.teachers.protocol import Reply
from distill.teachers.requests import wire_bytes

_PATH = "/chat/completions"
MAX_REPLY_BYTES = 64 * 2**20
"""No answer is this long; a hostile or broken server's reply might be."""


class WireTransport:
    """HTTP to an OpenAI-compatible endpoint over one pool of kept-alive connections; opened within a running loop."""

    def __init__(self, base_url: str, api_key: str, concurrency: int) -> None:
        self._base = base_url.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "distill",
        } | _account_headers(self._base)
        if (urlsplit(self._base).hostname or "").endswith("openai.azure.com"):
            self._headers["api-key"] = api_key
        self._proxy = _proxy(self._base)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency + 4, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def send(self, body: Mapping[str, Json], timeout_s: float) -> Reply:
        return await self._call("POST", _PATH, wire_bytes(body), timeout_s)

    async def get(self, path: str, timeout_s: float) -> Reply:
        return await self._call("GET", path, None, timeout_s)

    async def close(self) -> None:
        await self._session.close()

    async def _call(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Reply:
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method,
                    self._base + path,
                    data=body,
                    headers=self._headers,
                    allow_redirects=False,
                    timeout=_NONE,
                    proxy=self._proxy,
                ) as response,
            ):
                raw = await _read_bounded(response.content)
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, raw)
        except TimeoutError as error:
            raise TeacherError(f"no reply within {timeout_s:g} s", kind="timeout") from error
        except aiohttp.ClientConnectorError as error:
            raise UnreachedError(connection_words(self._base, error), kind="connection") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TeacherError(connection_words(self._base, error), kind="connection") from error


async def _read_bounded(content: aiohttp.StreamReader) -> bytes:
    """Read a reply, unpacked, up to a limit: a few packed kilobytes may unfold to gigabytes.

    Raises:
        TeacherError: of kind `malformed`: it is longer than any answer.
    """
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise TeacherError(f"the reply is longer than {MAX_REPLY_BYTES} bytes", kind="malformed")
    return bytes(body)


def connection_words(base_url: str, error: BaseException) -> str:
    """Say in one line that an endpoint cannot be reached and what to look at."""
    reason = type(error).__name__ if not str(error) else str(error)
    return f"cannot reach the teacher at {base_url}: {reason[:200]}; is it running, and is teacher.base_url right?"


def _proxy(base_url: str) -> str | None:
    """Find the environment's proxy once: aiohttp's own `trust_env` looks it up in a thread for every request."""
    parts = urlsplit(base_url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _account_headers(base_url: str) -> dict[str, str]:
    """Send organisation and project as the `openai` client does."""
    names = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    if not (urlsplit(base_url).hostname or "").endswith("openai.com"):
        return {}
    return {header: os.environ[name] for header, name in names.items() if os.environ.get(name)}


_NONE = aiohttp.ClientTimeout(total=None)
