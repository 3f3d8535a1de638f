"""The filters, listed by hand: one grep finds them, and importing has no side effect."""

from __future__ import annotations

from distill.filters.answer_agrees import ANSWER_AGREES
from distill.filters.confidence import CONFIDENCE
from distill.filters.contamination import CONTAMINATION
from distill.filters.difficulty import DIFFICULTY
from distill.filters.distribution import DISTRIBUTION
from distill.filters.diversity import DIVERSITY
from distill.filters.empty import EMPTY
from distill.filters.error_text import ERROR_TEXT
from distill.filters.exact_duplicate import EXACT_DUPLICATE
from distill.filters.finished import FINISHED
from distill.filters.generation import GENERATION
from distill.filters.hedge import HEDGE
from distill.filters.judge import JUDGE
from distill.filters.label_known import LABEL_KNOWN
from distill.filters.language import LANGUAGE
from distill.filters.length import LENGTH
from distill.filters.near_duplicate import NEAR_DUPLICATE
from distill.filters.parseable import PARSEABLE
from distill.filters.pii import PII
from distill.filters.protocol import Filter
from distill.filters.refusal import NOT_REFUSAL
from distill.filters.repetition import REPETITION
from distill.filters.schema_repairable import SCHEMA_REPAIRABLE
from distill.filters.schema_valid import SCHEMA_VALID
from distill.filters.self_consistency import SELF_CONSISTENCY
from distill.filters.semantic_duplicate import SEMANTIC_DUPLICATE
from distill.filters.teachers_agree import TEACHERS_AGREE
from distill.filters.truncated import TRUNCATED
from distill.filters.verifier import VERIFIER

FILTERS: dict[str, Filter] = {
    member.name: member
    for member in (
        PARSEABLE,
        SCHEMA_VALID,
        SCHEMA_REPAIRABLE,
        FINISHED,
        TRUNCATED,
        ERROR_TEXT,
        NOT_REFUSAL,
        HEDGE,
        EMPTY,
        LENGTH,
        REPETITION,
        LANGUAGE,
        LABEL_KNOWN,
        ANSWER_AGREES,
        SELF_CONSISTENCY,
        TEACHERS_AGREE,
        CONFIDENCE,
        VERIFIER,
        JUDGE,
        PII,
        EXACT_DUPLICATE,
        NEAR_DUPLICATE,
        SEMANTIC_DUPLICATE,
        CONTAMINATION,
        GENERATION,
        DIFFICULTY,
        DIVERSITY,
        DISTRIBUTION,
    )
}
