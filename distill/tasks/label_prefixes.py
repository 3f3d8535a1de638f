"""What a label's text can still become: the labels that a text so far is or begins, spelt as the parser lets them be.

Answers come token by token, so a text may end anywhere, in the middle of a character too.
"""

from __future__ import annotations

import codecs
import re
import string
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from distill.tasks.label import BENDS, LEAD_WORDS, QUOTES, LabelSet, Match

_LAST = "\U0010ffff"
_LOST = "\ufffd"
_WRAPPING = QUOTES + string.whitespace + ".,;:!"
_CACHED_TEXTS = 65_536


class Span(NamedTuple):
    """Where a label is within an answer, in characters."""

    start: int
    end: int


class _Spelling(NamedTuple):
    """One way to spell labels: `forms` (sorted) and whose they are; `bend` brings a text to such a form."""

    bend: Callable[[str], str]
    forms: Sequence[str]
    owners: Sequence[str]

    def begun_by(self, text: str) -> frozenset[str]:
        """Return the labels that begin with `text`. The x keeps what ends it from being taken for wrapping."""
        form = self.bend(text + "x")[:-1]
        return frozenset(self.owners[bisect_left(self.forms, form) : bisect_left(self.forms, form + _LAST)])


class LabelPrefixes:
    """A closed set of labels that knows which of them a text so far may yet become."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._set = LabelSet(labels)
        self._exact = frozenset(labels)
        self._spellings = [_spell(labels, bend) for bend in (str.lstrip, _unwrap, *(bend for _, bend in BENDS))]
        self._reach = lru_cache(_CACHED_TEXTS)(self._find_reach)

    def reach(self, text: bytes, looseness: int = 0) -> frozenset[str]:
        """Return the labels that a text (UTF-8) is or begins, in the strictest spelling in which there is any.

        `looseness` leaves the strictest spellings out: the n first of as written, without quotes around, in any case,
        with both, with any separators between words. A line break ends a label.
        """
        return self._reach(text, looseness)

    def looseness(self, text: str) -> int:
        """Return how loosely a whole text spells its label (0: as written, or no label at all)."""
        match = self._match(text)
        if match is None or match.repaired in (None, "whitespace"):
            return 0
        if match.repaired == "quotes" and text.strip(_WRAPPING) == match.label:
            return 1
        return 2 + [name for name, _ in BENDS].index(match.repaired)

    def whole(self, text: bytes) -> str | None:
        """Return the label that the whole of `text` spells, None where it spells none."""
        readable, rest = _decode(text)
        match = None if rest else self._match(readable)
        return match and match.label

    def _match(self, text: str) -> Match | None:
        """Find the label that a text spells; one in quotes is itself, also where another differs by case alone."""
        bare = text.strip(_WRAPPING)
        return self._set.find(text) or (Match(bare, "quotes") if bare in self._exact else None)

    def _find_reach(self, data: bytes, looseness: int) -> frozenset[str]:
        text, rest = _decode(data)
        line, broken, _ = text.lstrip().partition("\n")
        if broken and (match := self._match(line)) is not None:
            return frozenset((match.label,))
        if rest or _LOST in text:
            return self._find_unfinished(data, text, looseness)
        match = self._match(text)
        needed = self.looseness(text)
        for i, spelling in enumerate(self._spellings[looseness:], start=looseness):
            found = spelling.begun_by(text)
            found |= {match.label} if match is not None and needed <= i else frozenset()
            if found:
                return found
        return frozenset()

    def _find_unfinished(self, data: bytes, text: str, looseness: int) -> frozenset[str]:
        """Read a text that stops inside a character, whose first bytes are known or (U+FFFD) not even these."""
        if _LOST not in text and looseness == 0:
            exact = frozenset(label for label in self.labels if label.encode().startswith(data.lstrip()))
            if exact:
                return exact
        known, _, _ = text.partition(_LOST)
        for spelling in self._spellings[looseness:]:
            found = frozenset(label for label in spelling.begun_by(known) if not label.isascii())
            if found:
                return found
        return frozenset()


def place_label(answer: str, label: str) -> Span | None:
    """Find where an answer says its label: on the first line that is nothing else, or where it stands only once."""
    if not label:
        return None
    words = [re.escape(word) for word in re.split(r"[\s_\-]+", label)]
    edges = [r"(?<!\w)" if _is_word(label[0]) else "", r"(?!\w)" if _is_word(label[-1]) else ""]
    found = list(re.finditer(edges[0] + r"[\s_\-]+".join(words) + edges[1], answer, re.IGNORECASE))
    alone = [match for match in found if _is_alone(answer, match)]
    chosen = alone[0] if alone else found[0] if len(found) == 1 else None
    return chosen and Span(*chosen.span())


def is_opening(text: str) -> bool:
    """Tell whether a text is white space or quotes and brackets that may open a label, and nothing else."""
    return bool(text) and not text.strip(QUOTES + string.whitespace)


def _is_alone(answer: str, match: re.Match[str]) -> bool:
    before = answer[answer.rfind("\n", 0, match.start()) + 1 : match.start()].lstrip(QUOTES + " ")
    after = answer[match.end() :].partition("\n")[0]
    return not after.strip(_WRAPPING) and (not before.strip(_WRAPPING) or LEAD_WORDS.fullmatch(before) is not None)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _spell(labels: Sequence[str], bend: Callable[[str], str]) -> _Spelling:
    pairs = sorted((bend(label), label) for label in labels)
    return _Spelling(bend, [form for form, _ in pairs], [label for _, label in pairs])


def _unwrap(text: str) -> str:
    return text.lstrip(_WRAPPING)


def _decode(data: bytes) -> tuple[str, bytes]:
    """Return the text of whole characters (U+FFFD for bytes that are none) and the bytes of an unfinished last one."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, decoder.getstate()[0]
