"""The one normal form of a text for telling copies: case, width, spacing and punctuation go, numbers stay.

Numbers are never unified: "send 50" and "send 60" are two different requests, and "1.50" stays "1.50".
"""

from __future__ import annotations

import re
import unicodedata

_BETWEEN_DIGITS = re.compile(r"((?<=\d)[.,](?=\d))")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_ASCII = {code: chr(code).lower() if chr(code).isalnum() or chr(code) == "$" else " " for code in range(128)}


class _Separators(dict[int, str | None]):
    """A `str.translate` table filled on demand: punctuation, symbols and spaces become a space.

    Letters, marks, digits and currency signs stay; invisible format characters vanish.
    """

    def __missing__(self, code: int) -> str | None:
        category = unicodedata.category(chr(code))
        kept: str | None = chr(code)
        if category == "Cf":
            kept = None
        elif category[0] in "PZC" or category in ("Sm", "Sk", "So"):
            kept = " "
        self[code] = kept
        return kept


_UNICODE = _Separators(_ASCII)


def normalise(text: str) -> str:
    """Return the normal form of `text`: NFKC, case folded, punctuation and runs of space to one space.

    A point or comma between two digits stays, so numbers are kept as they are. A text of nothing but
    punctuation keeps it: "?" and "!" are not the same message. `normalise(normalise(t)) == normalise(t)`.
    """
    if text.isascii():
        folded, table = text, _ASCII
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        table = _UNICODE
    normal = " ".join(_translate(folded, table).split())
    return normal or " ".join(folded.casefold().split())


def _translate(text: str, table: dict[int, str | None] | dict[int, str]) -> str:
    if _BETWEEN_DIGITS.search(text) is None:
        return text.translate(table)
    parts = _BETWEEN_DIGITS.split(text)
    parts[::2] = [part.translate(table) for part in parts[::2]]
    return "".join(parts)


def split_words(text: str) -> list[str]:
    """Split `text` into the words of its normal form; scripts written without spaces split into characters."""
    normal = normalise(text)
    if not normal.isascii():
        normal = _UNSPACED.sub(r" \1 ", normal)
    return normal.split()
