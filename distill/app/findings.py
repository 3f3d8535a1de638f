"""What a check of the machine comes to: what is so, and what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One thing that was checked."""

    subject: str
    status: Literal["ok", "warn", "fail"]
    message: str
