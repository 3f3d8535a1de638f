"""A finding: one signal, judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One signal: `n` observations, the `value` judged and the `limit` it was judged against, where there are any."""

    signal: str
    status: Literal["ok", "warn", "alarm", "no_data"]
    message: str
    n: int = 0
    value: float | None = None
    limit: float | None = None
