"""Text from elsewhere on a terminal: a teacher, a file or a server must not move the cursor or hide what it says."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\t")
_FORMATS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that act instead of showing: controls (escape sequences), bidi marks, halves of pairs, breaks."""


def printable(text: str) -> str:
    """Write every character that would act on a terminal as an escape; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _FORMATS:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
