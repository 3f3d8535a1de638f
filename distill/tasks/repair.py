"""Lossless repairs of answer text: what is taken away never carries meaning, and each repair is named."""

from __future__ import annotations

import re
from typing import NamedTuple

_FENCE = re.compile(r"(?:^|\n)[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[ \t]*\n(.*?)\n?[ \t]*\1[ \t]*(?=\n|$)", re.DOTALL)
_INLINE_FENCE = re.compile(r"`{3,}(?:json|text)?\s*([^`]*?)\s*`{3,}", re.IGNORECASE)
_MAX_FENCED_CHARS = 2_000_000


class Unwrapped(NamedTuple):
    """Text without its wrapping, and the name of what was taken off (None: nothing but white space)."""

    text: str
    repaired: str | None


def is_text(text: str) -> bool:
    """Say whether `text` can be written as UTF-8 (half a surrogate pair cannot)."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def unwrap_fence(text: str) -> Unwrapped:
    """Take the content of the one code fence in `text`; text around the fence is called surrounding_prose.

    With no fence, or with several that differ, the stripped text comes back as it is.
    """
    stripped = text.strip().removeprefix("\ufeff").strip()
    if ("```" not in stripped and "~~~" not in stripped) or len(stripped) > _MAX_FENCED_CHARS:
        return Unwrapped(stripped, None)
    whole = _INLINE_FENCE.fullmatch(stripped)
    if whole is not None:
        return Unwrapped(whole.group(1).strip(), "code_fence")
    blocks = {match.group(3).strip() for match in _FENCE.finditer(stripped)}
    if len(blocks) != 1:
        return Unwrapped(stripped, None)
    outside = _FENCE.sub("", stripped).strip()
    return Unwrapped(blocks.pop(), "surrounding_prose" if outside else "code_fence")


def join_repairs(*names: str | None) -> str | None:
    """Join repair names with `+`, in order, each once; None when there was none."""
    kept = list(dict.fromkeys(part for name in names if name for part in name.split("+")))
    return "+".join(kept) or None
