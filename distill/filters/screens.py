"""Screens: bulk looks at whole columns that name the rows which could be anything but kept; the rest is passed at once.

A screen may name too many rows, never too few: the exact check still decides on each row that is named, so verdicts do
not depend on it. Patterns are not written twice: `widen` turns the exact one into one that RE2 runs over a column.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pyarrow_compute
from numpy.typing import NDArray

from distill.filters.rows import Rows

pc: Any = pyarrow_compute
"""The functions of pyarrow's compute module are made at import, so it has no types for them."""

Mask = NDArray[np.bool_]
"""One truth value per row."""

_BEYOND = r"\x{80}-\x{10ffff}"
_CLASSES = {
    "w": rf"0-9A-Za-z_{_BEYOND}",
    "W": rf"\x00-/:-@\[-\^`\{{-\x7f{_BEYOND}",
    "d": rf"0-9{_BEYOND}",
    "s": rf"\t-\r\x1c-\x20{_BEYOND}",
    "S": rf"\x00-\x08\x0e-\x1b!-\x7f{_BEYOND}",
}
"""Python's classes know all of Unicode, RE2's only ASCII: here everything beyond ASCII is in each of them."""
_TOKENS = re.compile(r"\\(?P<escape>.)|(?P<look>\(\?<?[=!])|(?P<open>\[\^?)|(?P<close>\])|(?P<paren>[()])|[^\\\[\]()]+")
_FOLDED_OTHERWISE = "[\u0130\u0131\u017f\u212a]"
"""Letters that are an i, s or k to Python when case is ignored."""


def find(rows: Rows, column: str, pattern: str) -> Mask:
    """Return which texts hold a match of an RE2 pattern; a null holds none."""
    return _read(pc.match_substring_regex(rows.table.column(column), pattern))


def is_given(rows: Rows, column: str) -> Mask:
    """Return which rows have a value."""
    return _read(pc.is_valid(rows.table.column(column)))


def is_one_of(rows: Rows, column: str, *values: str | None) -> Mask:
    """Return which rows have one of the values; None is a null."""
    column_type = rows.table.schema.field(column).type
    return _read(pc.is_in(rows.table.column(column), value_set=pa.array(values, column_type)))


def has_length(rows: Rows, column: str, at_least: int) -> Mask:
    """Return which texts have so many characters, or lists so many items."""
    values = rows.table.column(column)
    lengths = pc.list_value_length(values) if pa.types.is_list(values.type) else pc.utf8_length(values)
    return _read(pc.greater_equal(lengths, at_least))


def has_ink(rows: Rows, column: str) -> Mask:
    """Return which texts have a printable ASCII character that is no space."""
    return find(rows, column, "[!-~]")


@lru_cache(maxsize=64)
def widen(pattern: str, *, ignore_case: bool = False) -> str:
    r"""Return an RE2 pattern that is found in every text in which Python's `re` finds `pattern`, and in a few others.

    Assertions (`\b`, look-arounds) are left out and Unicode classes become generous ones.

    Raises:
        ValueError: the pattern has an escape that is not known here, or a class within a negated set.
    """
    out: list[str] = []
    within, depth = "", 0
    for token in _TOKENS.finditer(pattern):
        text, escape = token.group(), token["escape"]
        if not within and (depth or token["look"]):
            depth += text.startswith("(") - (text == ")")
        elif not depth:
            out.append(_widen_escape(escape, within) if escape else (text if within else _widen_plain(text)))
        within = _enter(token, within)
    body = "".join(out)
    return f"(?i:{body})|{_FOLDED_OTHERWISE}" if ignore_case else body


def _enter(token: re.Match[str], within: str) -> str:
    """Return the bracket that encloses what follows a token, or nothing."""
    if token["open"] and not within:
        return token["open"]
    return "" if token["close"] else within


def _widen_escape(escape: str, within: str) -> str:
    if escape == "b" and not within:
        return ""
    if escape in _CLASSES:
        if within == "[^":
            raise ValueError(f"\\{escape} in a negated set cannot be widened")
        return _CLASSES[escape] if within else f"[{_CLASSES[escape]}]"
    if escape.isalnum() and escape not in "nrtx":
        raise ValueError(f"\\{escape} cannot be widened")
    return f"\\{escape}"


def _widen_plain(text: str) -> str:
    return text.replace("$", r"\n?$")


def _read(values: Any) -> Mask:  # noqa: ANN401 as above
    return cast("Mask", pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(bool, copy=False))
