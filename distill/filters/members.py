"""Filters on single rows: each drops one kind of bad teacher answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from pydantic import Field

from distill.filters.protocol import FilterContext, NoOptions
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

EVIDENCE_CHARS = 160


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter made of one function per row over the columns it needs."""

    name: str
    version: int
    columns: tuple[str, ...]
    verdict: Callable[..., Verdict]
    config_type: type[Frozen] = NoOptions
    order_free: bool = True

    def judge(self, rows: pa.Table, config: object, context: FilterContext) -> Sequence[Verdict]:
        """Judge each row by itself."""
        values = [cast("list[Any]", rows.column(name).to_pylist()) for name in self.columns]
        return [self.verdict(config, context, *row) for row in zip(*values, strict=True)]


def cut(text: str | None) -> str:
    """Return the start of a text as evidence."""
    return (text or "")[:EVIDENCE_CHARS]


def _parseable(_: NoOptions, __: FilterContext, answer: str | None, error: str | None, call: str | None) -> Verdict:
    if call is not None:
        return Verdict(False, f"call_{call}", cut(answer))
    return KEEP if error is None else Verdict(False, error, cut(answer))


def _finished(_: NoOptions, __: FilterContext, answer: str | None, finish: str | None) -> Verdict:
    if finish in ("length", "content_filter"):
        return Verdict(False, "truncated" if finish == "length" else "content_filter", cut(answer)[-80:])
    return KEEP


_REFUSALS = re.compile(
    r"^\W*(?:"
    r"(?:i(?:'|’)?m|i am) (?:really |very |so |truly )?(?:sorry|afraid)\b[^.!?]{0,60}"
    r"\b(?:can(?:'|’)?t|cannot|unable|not able|won(?:'|’)?t)"
    r"|(?:sorry|apologies|unfortunately)[,.! ]+(?:but )?i (?:can(?:'|’)?t|cannot|am unable|am not able|won(?:'|’)?t)"
    r"|i (?:can(?:'|’)?t|cannot|am unable to|am not able to|won(?:'|’)?t)"
    r" (?:help|assist|provide|answer|comply|do that|fulfil|discuss|create|generate|respond)"
    r"|as an ai(?: language)? (?:model|assistant)"
    r"|(?:es tut mir leid|leider|entschuldigung)[,.! ]+[^.!?]{0,60}"
    r"\b(?:kann ich|ich kann|nicht möglich)\b[^.!?]{0,80}\bnicht\b"
    r"|je (?:suis désolée?|regrette|ne peux pas|ne suis pas en mesure)"
    r"|lo siento[,.! ]|no puedo (?:ayudar|proporcionar|responder)"
    r"|mi dispiace[,.! ]|non posso (?:aiutar|fornire|rispondere)"
    r")",
    re.IGNORECASE,
)


def _not_refusal(_: NoOptions, __: FilterContext, answer: str | None, refusal: str | None) -> Verdict:
    if refusal:
        return Verdict(False, "refusal", cut(refusal))
    found = _REFUSALS.match(answer or "")
    return Verdict(False, "refusal", cut(found.group())) if found else KEEP


def _empty(_: NoOptions, __: FilterContext, answer: str | None) -> Verdict:
    return KEEP if (answer or "").strip() else Verdict(False, "empty")


class LengthConfig(Frozen):
    """Bounds on the answer's words."""

    min_words: int = Field(default=1, ge=0)
    """Words at least."""
    max_words: int | None = Field(default=None, ge=1)
    """Words at most."""
    max_ratio: float | None = Field(default=None, gt=0)
    """Words of the answer per word of the input at most."""


def _length(config: LengthConfig, _: FilterContext, answer: str | None, text: str | None) -> Verdict:
    words = len((answer or "").split())
    if words < config.min_words:
        return Verdict(False, "too_short", f"{words} words")
    if config.max_words is not None and words > config.max_words:
        return Verdict(False, "too_long", f"{words} words")
    if config.max_ratio is not None and words > config.max_ratio * max(1, len((text or "").split())):
        return Verdict(False, "too_long_for_input", f"{words} words")
    return KEEP


def _label_known(_: NoOptions, context: FilterContext, answer: str | None, error: str | None) -> Verdict:
    del context
    return Verdict(False, "unknown_label", cut(answer)) if error == "unknown_label" else KEEP


_ERROR_TEXT = re.compile(
    r"^\s*(?:<!doctype html|<html\b|traceback \(most recent call last\)|\{\s*\"error\"\s*:|error(?: code)?:? \d{3}\b"
    r"|(?:4\d\d|5\d\d) (?:bad|unauthorized|forbidden|too many|internal|service|gateway))",
    re.IGNORECASE,
)


def _error_text(_: NoOptions, __: FilterContext, answer: str | None) -> Verdict:
    found = _ERROR_TEXT.match(answer or "")
    return Verdict(False, "error_text", cut(answer)) if found else KEEP


class ConfidenceConfig(Frozen):
    """Bound on the teacher's own certainty."""

    min_logprob: float = Field(default=-1.0, le=0)
    """Mean natural-log probability of the answer's tokens at least; rows without log-probabilities pass."""


def _confidence(config: ConfidenceConfig, _: FilterContext, logprobs: list[float] | None) -> Verdict:
    if not logprobs:
        return KEEP
    mean = sum(logprobs) / len(logprobs)
    return KEEP if mean >= config.min_logprob else Verdict(False, "unsure", f"{mean:.3f}")


PARSEABLE = RowFilter("parseable", 1, ("answer", "parse_error", "error_kind"), _parseable)
FINISHED = RowFilter("finished", 1, ("answer", "finish_reason"), _finished)
NOT_REFUSAL = RowFilter("not_refusal", 1, ("answer", "refusal"), _not_refusal)
EMPTY = RowFilter("empty", 1, ("answer",), _empty)
LENGTH = RowFilter("length", 1, ("answer", "text"), _length, LengthConfig)
LABEL_KNOWN = RowFilter("label_known", 1, ("answer", "parse_error"), _label_known)
ERROR_TEXT = RowFilter("error_text", 1, ("answer",), _error_text)
CONFIDENCE = RowFilter("confidence", 1, ("sampled_logprobs",), _confidence, ConfidenceConfig)
