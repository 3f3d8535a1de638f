"""`length`: drops answers that are too short or too long, in words or tokens, or next to their input."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from distill.filters.base import RowFilter
from distill.filters.rows import Rows
from distill.filters.screens import Mask, has_ink, has_length
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict


class LengthConfig(Frozen):
    """Bounds on the answer's length."""

    min_words: int = Field(default=1, ge=0)
    """Words at least."""
    max_words: int | None = Field(default=None, ge=1)
    """Words at most."""
    min_tokens: int | None = Field(default=None, ge=1)
    """Output tokens at least, as the provider counted them (reasoning included)."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Output tokens at most."""
    min_ratio: float | None = Field(default=None, gt=0)
    """Words of the answer per word of the input at least."""
    max_ratio: float | None = Field(default=None, gt=0)
    """Words of the answer per word of the input at most."""


def _length(config: LengthConfig, answer: str | None, text: str | None, tokens: int | None) -> Verdict:
    words = len((answer or "").split())
    if words < config.min_words:
        return Verdict(False, "too_short", f"{words} words")
    if config.max_words is not None and words > config.max_words:
        return Verdict(False, "too_long", f"{words} words")
    if tokens is not None and config.min_tokens is not None and tokens < config.min_tokens:
        return Verdict(False, "too_short", f"{tokens} tokens")
    if tokens is not None and config.max_tokens is not None and tokens > config.max_tokens:
        return Verdict(False, "too_long", f"{tokens} tokens")
    if config.min_ratio is None and config.max_ratio is None:
        return KEEP
    asked = max(1, len((text or "").split()))
    if config.min_ratio is not None and words < config.min_ratio * asked:
        return Verdict(False, "too_short_for_input", f"{words} words")
    if config.max_ratio is not None and words > config.max_ratio * asked:
        return Verdict(False, "too_long_for_input", f"{words} words")
    return KEEP


def _suspects(config: LengthConfig, rows: Rows) -> Mask:
    """Return all rows where words or tokens must be counted, else those that may have no word or are long enough."""
    countless = (config.min_tokens, config.max_tokens, config.min_ratio, config.max_ratio) == (None,) * 4
    if config.min_words > 1 or not countless:
        return np.ones(rows.num_rows, bool)
    short = ~has_ink(rows, "answer") if config.min_words else np.zeros(rows.num_rows, bool)
    if config.max_words is None:
        return short
    return short | has_length(rows, "answer", 2 * config.max_words + 1)


LENGTH = RowFilter("length", 1, ("answer", "text", "output_tokens"), _length, LengthConfig, screen=_suspects)
