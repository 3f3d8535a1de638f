"""The one normal form of a text for telling copies: case, width, spacing and punctuation go, numbers stay.

Numbers are never unified: "send 50" and "send 60" are two different requests, and "1.50" stays "1.50".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

_BETWEEN_DIGITS = re.compile(r"([.,](?=\d)(?<=\d[.,]))")
"""Begins with what it finds, so that the search leaps from point to point."""
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
_BOUNDARY = "\x1f"
_CHUNK_TEXTS = 512
_ASCII_JOINED = {**_ASCII, ord(_BOUNDARY): _BOUNDARY}
_UNICODE_JOINED = _Separators(_ASCII_JOINED)


def normalise(text: str) -> str:
    """Return the normal form of `text`: NFKC, case folded, punctuation and runs of space to one space.

    A point or comma between two digits stays, so numbers are kept as they are. A text of nothing but
    punctuation keeps it: "?" and "!" are not the same message. `normalise(normalise(t)) == normalise(t)`.
    """
    folded = _fold(text)
    normal = " ".join(_translate(folded, _ASCII if text.isascii() else _UNICODE).split())
    return normal or " ".join(folded.casefold().split())


def normalise_all(texts: Iterable[str]) -> Iterator[str]:
    """Yield the normal form of each text, as `normalise` gives it; many at once cost a fraction."""
    for part in in_chunks(texts, _CHUNK_TEXTS):
        for text, line in zip(part, space_out(part, unspaced=False), strict=True):
            yield " ".join(line.split()) or normalise(text)


def in_chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the texts in lists of at most `size`."""
    texts = iter(texts)
    while part := list(islice(texts, size)):
        yield part


def space_out(texts: Sequence[str], *, unspaced: bool) -> list[str]:
    """Return the texts folded, with spaces between words, and with `unspaced` around ideographs and their like too.

    Normal but for runs of spaces; a text of nothing but punctuation becomes spaces.
    """
    plain = [text for text in texts if text.isascii()]
    if len(plain) == len(texts):
        return _space_out_alike(texts, _ASCII_JOINED)
    others = _space_out_alike([text for text in texts if not text.isascii()], _UNICODE_JOINED)
    if unspaced:
        others = [_UNSPACED.sub(r" \1 ", line) for line in others]
    lines = {True: iter(_space_out_alike(plain, _ASCII_JOINED)), False: iter(others)}
    return [next(lines[text.isascii()]) for text in texts]


def _space_out_alike(texts: Sequence[str], table: dict[int, str | None] | dict[int, str]) -> list[str]:
    """Join the texts, treat them as one and cut them again: a boundary ends what is composed, as a text's end does."""
    joined = _fold(_BOUNDARY.join(texts))
    if joined.count(_BOUNDARY) == len(texts) - 1:
        return _translate(joined, table).split(_BOUNDARY)
    return [_translate(_fold(text), table).replace(_BOUNDARY, " ") for text in texts]


def _fold(text: str) -> str:
    """Return a text whose case no longer matters; the case of ASCII is folded by its table."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


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
