"""Is the model that answered the one that was asked for? A pinned snapshot must match to the letter."""

from __future__ import annotations

import re

_SNAPSHOT = re.compile(r"(\d{4}-\d{2}-\d{2}|\d{8}|-\d{4}|@sha256:[0-9a-f]+)$")


def is_pinned(model: str) -> bool:
    """Tell whether a model name carries a snapshot: a date, a four-digit stamp or a digest at its end."""
    return _SNAPSHOT.search(model) is not None


def serves(asked: str, served: str) -> bool:
    """Tell whether `served` may stand for `asked`.

    An alias may be served by its snapshots (gpt-x by gpt-x-2026-03-05); a snapshot only by itself. A server that names
    no model, or prefixes the name with its vendor (`vendor/name`), is believed.
    """
    if not served or asked == served or served.endswith(f"/{asked}") or asked.endswith(f"/{served}"):
        return True
    return not is_pinned(asked)
