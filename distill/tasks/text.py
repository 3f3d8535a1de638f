"""Free text: any text that is not empty is an answer."""

from __future__ import annotations

from collections import Counter

from distill.records.json import Json, dump_canonical
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Parsed
from distill.tasks.repair import is_text


class TextTask:
    """`output: text`; the value is the text without white space around it."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config

    def parse(self, text: str) -> Parsed:
        stripped = text.strip()
        if not stripped:
            return Parsed(error_kind="empty", detail="the answer is empty")
        if not is_text(stripped):
            return Parsed(error_kind="unparseable", detail="the answer holds half a surrogate pair")
        return Parsed(stripped)

    def parse_gold(self, gold: Json) -> Parsed:
        if gold is None:
            return Parsed(error_kind="missing", detail="there is no gold value")
        try:
            return self.parse(gold if isinstance(gold, str) else dump_canonical(gold))
        except (ValueError, TypeError) as error:
            return Parsed(error_kind="unparseable", detail=f"gold is not JSON: {error}")

    def score(self, value: Json, reference: Json) -> float:
        """Score with F1 over lower-case words; 1 only when the words and their order are the same."""
        if not isinstance(value, str) or not isinstance(reference, str):
            return 0.0
        given, right = value.casefold().split(), reference.casefold().split()
        if given == right:
            return 1.0
        shared = sum((Counter(given) & Counter(right)).values())
        return min(2 * shared / max(len(given) + len(right), 1), 0.999)

    def render(self, value: Json) -> str:
        return str(value)
