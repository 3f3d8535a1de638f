"""Where personal data and secrets stand in a text. Card numbers and IBANs count only with a right checksum."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from distill.filters.screens import widen

PiiKind = Literal["card", "iban", "email", "phone", "key"]
KINDS: tuple[PiiKind, ...] = ("card", "iban", "email", "phone", "key")


class Found(NamedTuple):
    """A datum: its kind and place in the text."""

    kind: PiiKind
    start: int
    end: int


def is_card(number: str) -> bool:
    """Tell whether 13 to 19 digits (spaces and hyphens between them) pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in number if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Tell whether a text is an IBAN with right check digits (ISO 13616, mod 97)."""
    compact = "".join(text.replace("-", " ").split()).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _is_any(_: str) -> bool:
    return True


def _is_phone(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return digits >= 8 if text.startswith("+") else 9 <= digits <= 12


Hint = Literal["digits", "words", "at"]


class _Kind(NamedTuple):
    """`hints` are quick: where none of them holds, `pattern` cannot."""

    hints: tuple[Hint, ...]
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]


_EIGHT_DIGITS = re.compile(r"\d(?:[ ().\[\]/-]{0,3}\d){7}", re.ASCII)
_LONG_WORD_CHARS = 15


def find_hints(text: str) -> set[Hint]:
    """Return what a text has that personal data need: eight digits in a row, a word of 15 characters, an @."""
    found: set[Hint] = set()
    if _EIGHT_DIGITS.search(text):
        found.add("digits")
    if len(text) >= _LONG_WORD_CHARS and max(map(len, text.split()), default=0) >= _LONG_WORD_CHARS:
        found.add("words")
    if "@" in text:
        found.add("at")
    if "-----BEGIN" in text:
        found.add("words")
    return found


_KINDS: dict[PiiKind, _Kind] = {
    "card": _Kind(("digits",), re.compile(r"(?<![\d.,-])[2-6]\d(?:[ -]?\d){11,17}(?![\d-]|[.,]\d)", re.ASCII), is_card),
    "iban": _Kind(
        ("digits", "words"),
        re.compile(r"\b[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?:[ -][A-Z0-9]{4}){2,7}(?:[ -][A-Z0-9]{1,4})?)\b"),
        is_iban,
    ),
    "email": _Kind(("at",), re.compile(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b"), _is_any),
    "phone": _Kind(
        ("digits",),
        re.compile(
            r"(?<![\w+])\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5}\d(?!\w)"
            r"|(?<![\w-])\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?!\w)"
            r"|(?<![\w.,#-])\(?0\d{1,4}\)?[ /-]{1,3}\d{2,8}(?:[ -]\d{2,4}){0,4}(?![\w-]|[.,]\d)",
            re.ASCII,
        ),
        _is_phone,
    ),
    "key": _Kind(
        ("words",),
        re.compile(
            r"\b(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}"
            r"|gh[pousr]_[A-Za-z0-9]{36}"
            r"|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}"
            r"|ya29\.[A-Za-z0-9_-]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{36}"
            r"|pypi-[A-Za-z0-9_-]{40,}"
            r"|hf_[A-Za-z0-9]{30,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
            r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
        ),
        _is_any,
    ),
}


def screen_pattern(kinds: Sequence[PiiKind] = KINDS) -> str:
    """Return an RE2 pattern that is found in every text with personal data of these kinds, and in a few others."""
    read = (_KINDS[kind] for kind in kinds)
    wide = dict.fromkeys(_EIGHT_DIGITS if kind.hints == ("digits",) else kind.pattern for kind in read)
    return "|".join(widen(pattern.pattern) for pattern in wide)


def find_pii(text: str, kinds: Sequence[PiiKind] = KINDS) -> Iterator[Found]:
    """Yield the personal data of a text, kind by kind in the order of `kinds`."""
    hints = find_hints(text)
    for kind in kinds if hints else ():
        needed, pattern, is_valid = _KINDS[kind]
        if not hints.isdisjoint(needed):
            for found in pattern.finditer(text):
                if is_valid(found.group()):
                    yield Found(kind, found.start(), found.end())


def mask_pii(text: str, kinds: Sequence[PiiKind] = KINDS) -> str:
    """Put `[kind]` in the place of each personal datum; where two overlap, the one that begins first counts."""
    places = sorted(find_pii(text, kinds), key=lambda found: (found.start, -found.end))
    parts: list[str] = []
    done = 0
    for found in places:
        if found.start >= done:
            parts += [text[done : found.start], f"[{found.kind}]"]
            done = found.end
    return "".join([*parts, text[done:]])
