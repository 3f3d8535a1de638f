"""Personal data and secrets: rows that hold a card number, an IBAN, an address, a phone number or a key are dropped.

Card numbers and IBANs count only with a right checksum; evidence names the kind and the place, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from distill.filters.members import RowFilter
from distill.filters.protocol import FilterContext
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

PiiKind = Literal["card", "iban", "email", "phone", "key"]
KINDS: tuple[PiiKind, ...] = ("card", "iban", "email", "phone", "key")


class PiiConfig(Frozen):
    """What to look for, and where."""

    kinds: tuple[PiiKind, ...] = Field(default=KINDS, min_length=1)
    """Kinds of personal data that drop a row."""
    columns: tuple[Literal["answer", "text"], ...] = Field(default=("answer", "text"), min_length=1)
    """Where to look: the teacher's answer, the input, or both."""


def is_card(number: str) -> bool:
    """Tell whether 13 to 19 digits (spaces and hyphens between them) pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    digits = [int(char) for char in number if char.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Tell whether a text is an IBAN with right check digits (ISO 13616, mod 97)."""
    compact = "".join(text.split()).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _is_any(_: str) -> bool:
    return True


_FOUND: dict[PiiKind, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "card": (re.compile(r"(?<![\d.,-])[2-6]\d(?:[ -]?\d){11,17}(?![\d-]|[.,]\d)", re.ASCII), is_card),
    "iban": (re.compile(r"\b[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)\b"), is_iban),
    "email": (re.compile(r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b"), _is_any),
    "phone": (
        re.compile(
            r"(?<![\w+])\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5}\d(?!\w)|(?<!\w)\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}(?!\w)",
            re.ASCII,
        ),
        lambda text: 8 <= sum(char.isdigit() for char in text) <= 15,
    ),
    "key": (
        re.compile(
            r"\b(?:sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{10,}"
            r"|AIza[A-Za-z0-9_-]{35}|hf_[A-Za-z0-9]{30,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})"
            r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
        ),
        _is_any,
    ),
}


def find_pii(text: str, kinds: tuple[PiiKind, ...] = KINDS) -> tuple[PiiKind, int] | None:
    """Return kind and character offset of the first personal datum, in the order of `kinds`, or None."""
    for kind in kinds:
        pattern, is_valid = _FOUND[kind]
        for found in pattern.finditer(text):
            if is_valid(found.group()):
                return kind, found.start()
    return None


def _pii(config: PiiConfig, _: FilterContext, answer: str | None, text: str | None) -> Verdict:
    values = {"answer": answer, "text": text}
    for column in config.columns:
        found = find_pii(values[column] or "", config.kinds)
        if found is not None:
            return Verdict(False, f"pii_{found[0]}", f"{found[0]} in {column} at character {found[1]}")
    return KEEP


PII = RowFilter("pii", 1, ("answer", "text"), _pii, PiiConfig)
