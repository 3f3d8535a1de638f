"""`truncated`: drops answers that break off where the provider did not say why it stopped."""

from __future__ import annotations

from distill.filters.base import RowFilter
from distill.filters.protocol import FilterContext
from distill.filters.rows import Rows
from distill.filters.screens import Mask, is_one_of
from distill.records.verdict import KEEP, Verdict

TAIL_CHARS = 80
MIN_SENTENCE_WORDS = 8
_ENDS = frozenset(".!?…。！？؟।\"'”’»)]}>`*_|:;")
_CLOSES = {"}": "{", "]": "["}


def _output_kind(_: object, context: FilterContext) -> str:
    return context.task.output


def _truncated(output: str, answer: str | None, finish: str | None) -> Verdict:
    text = (answer or "").rstrip()
    if finish not in (None, "unknown") or not text:
        return KEEP
    if text.count("```") % 2:
        return Verdict(False, "open_code_fence", text[-TAIL_CHARS:])
    if output == "json" and text.lstrip("` \njso")[:1] in ("{", "[") and is_open_json(text):
        return Verdict(False, "open_json", text[-TAIL_CHARS:])
    if output == "text" and ends_mid_sentence(text):
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


def _suspects(_: str, rows: Rows) -> Mask:
    return is_one_of(rows, "finish_reason", None, "unknown")


TRUNCATED = RowFilter("truncated", 1, ("answer", "finish_reason"), _truncated, prepare=_output_kind, screen=_suspects)
