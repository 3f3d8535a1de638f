"""`repetition`: drops answers stuck in a loop: a phrase said again and again, or text that compresses to nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from pydantic import Field

from distill.filters.base import RowFilter, cut
from distill.filters.rows import Rows
from distill.filters.screens import Mask, has_length
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class RepetitionConfig(Frozen):
    """When an answer counts as stuck."""

    max_repeats: int = Field(default=5, ge=2)
    """Times that a phrase of at most `phrase_words` words may follow itself."""
    phrase_words: int = Field(default=12, ge=1)
    """Longest phrase looked for, in words."""
    max_compression: float = Field(default=6.0, gt=1)
    """Bytes per byte of zlib's output at most, for answers of `min_bytes` or more."""
    min_bytes: int = Field(default=400, ge=1)
    """Shorter answers are not compressed: their ratio says nothing."""


def _repetition(config: RepetitionConfig, answer: str | None) -> Verdict:
    text = answer or ""
    loop = find_loop(text.split(), config.phrase_words, config.max_repeats)
    if loop is not None:
        return Verdict(False, "repeated_phrase", cut(loop))
    if len(text) < config.min_bytes // 4:
        return KEEP
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) >= config.min_bytes:
        ratio = len(raw) / len(zlib.compress(raw, 6))
        if ratio > config.max_compression:
            return Verdict(False, "repetitive", f"compresses {ratio:.1f} times")
    return KEEP


def find_loop(words: Sequence[str], longest: int, max_repeats: int) -> str | None:
    """Return the shortest phrase of 1 to `longest` words said more than `max_repeats` times in a row, or None.

    A phrase that follows itself `max_repeats` times has a word that occurs at least that often: most texts have none.
    """
    if len(words) - len(set(words)) < max_repeats:
        return None
    for width in range(1, longest + 1):
        needed = width * max_repeats
        if needed + width > len(words):
            return None
        run = 0
        for index in range(width, len(words)):
            run = run + 1 if words[index] == words[index - width] else 0
            if run >= needed:
                return " ".join(words[index - width + 1 : index + 1])
    return None


def _suspects(config: RepetitionConfig, rows: Rows) -> Mask:
    """Return what is long enough for a loop, of words of one letter, or for the compression to be looked at."""
    return has_length(rows, "answer", min(2 * config.max_repeats + 1, max(1, config.min_bytes // 4)))


REPETITION = RowFilter("repetition", 1, ("answer",), _repetition, RepetitionConfig, screen=_suspects)
