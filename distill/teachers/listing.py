"""The day a server lists for the end of its model, asked without a journal: for plans, which change nothing."""

from __future__ import annotations

import os
from datetime import date

from distill.errors import TeacherError
from distill.teachers.config import TeacherConfig
from distill.teachers.lifecycle import read_listed_day
from distill.teachers.requests import OPENAI_URL, wants_key
from distill.teachers.session import run_to_end

TIMEOUT_S = 4.0


def ask_listed_day(config: TeacherConfig) -> date | None:
    """Return the day; None where the teacher has no server, its key is not set, or the server is silent about it."""
    url = config.base_url or OPENAI_URL
    key = os.environ.get(config.api_key_env, "").strip()
    if config.provider != "openai" or (not key and wants_key(url)):
        return None
    try:
        return run_to_end(_ask(url, key, config.model))
    except TeacherError:
        return None


async def _ask(url: str, key: str, model: str) -> date | None:
    from distill.teachers.wire import WireTransport  # noqa: PLC0415  (aiohttp, 0.3 s: only where a server is asked)

    transport = WireTransport(url, key, 1)
    try:
        reply = await transport.get("/models", TIMEOUT_S)
        return read_listed_day(reply.body, model) if reply.status == 200 else None
    finally:
        await transport.close()
