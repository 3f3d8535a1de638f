"""The filters, listed by hand: one grep finds them, and importing has no side effect."""

from __future__ import annotations

from distill.filters.duplicates import CONTAMINATION, EXACT_DUPLICATE, NEAR_DUPLICATE
from distill.filters.members import (
    CONFIDENCE,
    EMPTY,
    ERROR_TEXT,
    FINISHED,
    LABEL_KNOWN,
    LENGTH,
    NOT_REFUSAL,
    PARSEABLE,
)
from distill.filters.protocol import Filter

FILTERS: dict[str, Filter] = {
    member.name: member
    for member in (
        PARSEABLE,
        FINISHED,
        NOT_REFUSAL,
        EMPTY,
        LENGTH,
        LABEL_KNOWN,
        ERROR_TEXT,
        CONFIDENCE,
        EXACT_DUPLICATE,
        NEAR_DUPLICATE,
        CONTAMINATION,
    )
}
