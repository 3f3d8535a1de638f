"""A filter's keep-or-drop, always with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Verdict(NamedTuple):
    """`reason` is a short snake_case word that is counted (empty when kept as it is); `evidence` is for people.

    `edits` (column -> new value) change a row that is kept: an answer mended, a card number masked.
    """

    keep: bool
    reason: str = ""
    evidence: str = ""
    edits: Mapping[str, str | None] | None = None


KEEP = Verdict(keep=True)
