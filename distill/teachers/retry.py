"""When to ask again, per kind of failure. A 429 waits in the throttle and is never given up before the deadline."""

from __future__ import annotations

import random

from distill.errors import TeacherError

MOST_ATTEMPTS: dict[str, int] = {"overloaded": 8, "connection": 8, "timeout": 3, "malformed": 4, "auth": 3}
_FIRST_PAUSE_S = 0.25
_MAX_PAUSE_S = 20.0


def is_worth_retrying(error: TeacherError, failures: int) -> bool:
    """Tell whether to ask again after `failures` failures of this kind, this one included."""
    return error.kind == "rate_limited" or failures < MOST_ATTEMPTS.get(error.kind, 1)


def pause_s(error: TeacherError, failures: int, rng: random.Random) -> float:
    """Return how long this order waits before its next attempt: the server's wish, else full jitter."""
    if error.kind == "rate_limited":
        return 0.0
    cap = min(_FIRST_PAUSE_S * 2 ** (failures - 1), _MAX_PAUSE_S)
    return max(rng.uniform(0.0, cap), error.retry_after_s or 0.0)
