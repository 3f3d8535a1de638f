"""The JSON type, and the one canonical way to write it (sorted keys, no spaces, UTF-8, no NaN)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"


def dump_canonical(value: Json) -> str:
    """Write `value` so that equal values give equal text.

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` holds something that is not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
