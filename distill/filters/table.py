"""The filters, listed by hand: one grep finds them, and importing has no side effect."""

from __future__ import annotations

from distill.filters.agreement import ANSWER_AGREES, SELF_CONSISTENCY
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
from distill.filters.pii import PII
from distill.filters.protocol import Filter
from distill.filters.quality import REPETITION, TRUNCATED

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
        REPETITION,
        TRUNCATED,
        PII,
        ANSWER_AGREES,
        SELF_CONSISTENCY,
        EXACT_DUPLICATE,
        NEAR_DUPLICATE,
        CONTAMINATION,
    )
}
