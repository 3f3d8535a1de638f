"""Filters on the shape of one answer: loops that repeat, and ends that break off."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from pydantic import Field

from distill.filters.members import RowFilter, cut
from distill.filters.protocol import FilterContext, NoOptions
from distill.records.frozen import Frozen
from distill.records.verdict import KEEP, Verdict

TAIL_CHARS = 80
MIN_SENTENCE_WORDS = 8
_ENDS = frozenset(".!?…。！？؟।\"'”’»)]}>`*_|:;")
_CLOSES = {"}": "{", "]": "["}


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


def _repetition(config: RepetitionConfig, _: FilterContext, answer: str | None) -> Verdict:
    text = answer or ""
    loop = find_loop(text.split(), config.phrase_words, config.max_repeats)
    if loop is not None:
        return Verdict(False, "repeated_phrase", cut(loop))
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) >= config.min_bytes:
        ratio = len(raw) / len(zlib.compress(raw, 6))
        if ratio > config.max_compression:
            return Verdict(False, "repetitive", f"compresses {ratio:.1f} times")
    return KEEP


def find_loop(words: Sequence[str], longest: int, max_repeats: int) -> str | None:
    """Return the shortest phrase of 1 to `longest` words said more than `max_repeats` times in a row, or None."""
    for width in range(1, longest + 1):
        needed = width * max_repeats
        run = 0
        for index in range(width, len(words)):
            run = run + 1 if words[index] == words[index - width] else 0
            if run >= needed:
                return " ".join(words[index - width + 1 : index + 1])
    return None


def _truncated(_: NoOptions, context: FilterContext, answer: str | None, finish: str | None) -> Verdict:
    text = (answer or "").rstrip()
    if finish not in (None, "unknown") or not text:
        return KEEP
    if text.count("```") % 2:
        return Verdict(False, "open_code_fence", text[-TAIL_CHARS:])
    if context.task.output == "json" and text.lstrip("` \njso")[:1] in ("{", "[") and is_open_json(text):
        return Verdict(False, "open_json", text[-TAIL_CHARS:])
    if context.task.output == "text" and ends_mid_sentence(text):
        return Verdict(False, "mid_sentence", text[-TAIL_CHARS:])
    return KEEP


def is_open_json(text: str) -> bool:
    """Tell whether a string, object or array that the text opens is never closed."""
    stack: list[str] = []
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"' and stack:
            quoted = True
        elif char in "{[":
            stack.append(char)
        elif char in _CLOSES and stack and stack[-1] == _CLOSES[char]:
            stack.pop()
            if not stack:
                return False
    return bool(stack)


def ends_mid_sentence(text: str) -> bool:
    """Tell whether prose of 8 words or more has no full stop, quote or bracket at its end; lists and headings pass."""
    last = text.rstrip().rsplit("\n", 1)[-1].strip()
    is_listed = last[:1] in ("-", "*", "•", "#", "|") or last.split(".")[0].isdigit()
    return len(last.split()) >= MIN_SENTENCE_WORDS and not is_listed and last[-1] not in _ENDS


REPETITION = RowFilter("repetition", 1, ("answer",), _repetition, RepetitionConfig)
TRUNCATED = RowFilter("truncated", 1, ("answer", "finish_reason"), _truncated)
