"""A short answer: the whole text, what a pattern finds in it, or a number."""

from __future__ import annotations

import math
import re
import unicodedata

from distill.records.json import Json
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Parsed
from distill.tasks.repair import is_text, join_repairs, unwrap_fence

_NUMBER = re.compile(
    r"(?<!\w)[-+−]?(?>(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?|\.\d++)(?>[eE][-+]?\d{1,3})?(?!\w)"
)
_MARKED = re.compile(r"(?:####|\\boxed\{|(?:final\s+)?answer\s*(?:is|[:=]))\s*\**\s*([^\n]*)", re.IGNORECASE)
_PLAIN = re.compile(r"<answer>(.*)</answer>", re.DOTALL)
_LARGEST = 1e300
_RELATIVE_TOLERANCE = 1e-9


class AnswerTask:
    """`output: answer`; the value is a str, or a float with `number: true`."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config
        self._pattern = None if config.pattern is None else re.compile(config.pattern)

    def parse(self, text: str) -> Parsed:
        if not text.strip():
            return Parsed(error_kind="empty", detail="the answer is empty")
        if not is_text(text):
            return Parsed(error_kind="unparseable", detail="the answer holds half a surrogate pair")
        canonical = _PLAIN.fullmatch(text)
        if canonical is not None:
            return self._finish(canonical.group(1), None)
        if self._pattern is not None:
            return self._find(self._pattern, text)
        inner = unwrap_fence(text)
        return self._finish(inner.text, inner.repaired)

    def parse_gold(self, gold: Json) -> Parsed:
        if gold is None:
            return Parsed(error_kind="missing", detail="there is no gold value")
        if isinstance(gold, (int, float)):
            if not abs(gold) <= _LARGEST or (isinstance(gold, bool) and self.config.number):
                return Parsed(error_kind="not_a_number", detail="gold is not a usable number")
            return Parsed(float(gold) if self.config.number else str(gold))
        if not isinstance(gold, str):
            return Parsed(error_kind="unparseable", detail=f"gold must be a short answer, not {type(gold).__name__}")
        parsed = self.parse(gold)
        if parsed.error_kind is None or not gold.strip() or not is_text(gold):
            return parsed
        return self._finish(gold.strip(), None)

    def score(self, value: Json, reference: Json) -> float:
        """Score 1 for the same number (relative 1e-9), or the same text apart from case and spacing."""
        if isinstance(value, (int, float)) and isinstance(reference, (int, float)):
            return float(math.isclose(value, reference, rel_tol=_RELATIVE_TOLERANCE, abs_tol=1e-12))
        if isinstance(value, str) and isinstance(reference, str):
            return float(normalise(value) == normalise(reference))
        return 0.0

    def render(self, value: Json) -> str:
        """Write the bare answer; where the pattern would not read that back, `<answer>...</answer>`."""
        if isinstance(value, float):
            plain = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        else:
            plain = str(value)
        return plain if self.parse(plain).value == value else f"<answer>{plain}</answer>"

    def _find(self, pattern: re.Pattern[str], text: str) -> Parsed:
        matches = list(pattern.finditer(text))
        if not matches:
            return Parsed(error_kind="unparseable", detail=f"pattern {pattern.pattern!r} is not in the answer")
        last = matches[-1]  # a model that reasons first gives its answer last
        found = (last.group(1) if pattern.groups else last.group(0)) or ""
        return self._finish(found.strip(), None)

    def _finish(self, text: str, repaired: str | None) -> Parsed:
        if not text.strip():
            return Parsed(error_kind="empty", detail="the answer is empty")
        if not self.config.number:
            return Parsed(text, repaired=repaired)
        number, how = _read_number(text)
        if number is None:
            return Parsed(error_kind="not_a_number", detail=f"{text[:80]!r} does not hold one number")
        return Parsed(number, repaired=join_repairs(repaired, how))


def normalise(text: str) -> str:
    """Fold case, compatibility forms and spacing, and drop quotes and a final full stop."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip("\"'`“”‘’").removesuffix(".").strip()


def _read_number(text: str) -> tuple[float | None, str | None]:
    """Read the number `text` is, or the one it marks as its answer, or the only one in it."""
    whole = _NUMBER.fullmatch(text.strip())
    if whole is not None:
        return _to_float(whole.group()), None
    marked = _MARKED.findall(text)
    for place, how in ((marked[-1] if marked else "", "marked_answer"), (text, "surrounding_prose")):
        numbers = {number for raw in _NUMBER.findall(place) if (number := _to_float(raw)) is not None}
        if len(numbers) == 1:
            return numbers.pop(), how
    return None, None


def _to_float(raw: str) -> float | None:
    try:
        number = float(raw.replace(",", "").replace("−", "-"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
