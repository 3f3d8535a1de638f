"""A filter's keep-or-drop, always with a reason."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """`reason` is a short snake_case word that is counted (empty when kept); `evidence` is for people."""

    keep: bool
    reason: str = ""
    evidence: str = ""


KEEP = Verdict(keep=True)
