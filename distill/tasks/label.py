"""One label out of a closed set. Only spelling is repaired, never meaning: an unknown label stays unknown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from distill.records.json import Json, load_strict
from distill.tasks.config import TaskConfig
from distill.tasks.protocol import Parsed
from distill.tasks.repair import is_text, join_repairs, unwrap_fence

_MAX_ANSWER_CHARS = 20_000
QUOTES = "\"'`*_“”‘’«»„‚<>[](){}"
LEAD_WORDS = re.compile(
    r"(?:the\s+)?(?:final\s+|correct\s+|predicted\s+|best\s+)?(?:answer|category|class|intent|label)"
    r"(?:\s+(?:is|would be))?\s*[:=\-]?\s*",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"(?:^|[.!?:]\s|\n)\W*(?:wait\b|hold on\b|on second thoughts?\b|scratch that\b|correction\b|actually, "
    r"|(?:no, )?let me (?:re-?consider|re-?think|re-?check|correct))",
    re.IGNORECASE,
)
"""Words by which an answer takes back what it said before; which label it meant is then nobody's to guess."""


class Match(NamedTuple):
    """A known label and the repair its spelling needed (None: it was exact)."""

    label: str
    repaired: str | None


class LabelSet:
    """A closed set of labels that knows their harmless misspellings (case, spaces, quotes, full stop)."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._exact = frozenset(labels)
        self._forms = [(name, bend, _index(labels, bend)) for name, bend in BENDS]

    def find(self, text: str) -> Match | None:
        """Find the label that `text` spells, or None; a spelling that two labels share finds neither."""
        if text in self._exact:
            return Match(text, None)
        stripped = text.strip()
        if stripped in self._exact:
            return Match(stripped, "whitespace")
        for name, bend, index in self._forms:
            label = index.get(bend(stripped))
            if label is not None:
                return Match(label, name)
        return None


class LabelTask:
    """`output: label`."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config
        self.label_set = LabelSet(config.labels or ())

    def parse(self, text: str) -> Parsed:
        if not text.strip():
            return Parsed(error_kind="empty", detail="the answer is empty")
        if not is_text(text):
            return Parsed(error_kind="unparseable", detail="the answer holds half a surrogate pair")
        inner = unwrap_fence(text[:_MAX_ANSWER_CHARS])
        exact = self.label_set.find(text) if inner.repaired is None else None
        if exact is not None:
            return Parsed(exact.label, repaired=exact.repaired)
        for reading in (self.label_set.find, self._from_object, self._from_lead, self._from_line):
            match = reading(inner.text)
            if match is not None:
                return Parsed(match.label, repaired=join_repairs(inner.repaired, match.repaired))
        return Parsed(error_kind="unknown_label", detail=f"{inner.text[:80]!r} is not one of the task's labels")

    def parse_gold(self, gold: Json) -> Parsed:
        return parse_gold_label(self.label_set, gold)

    def score(self, value: Json, reference: Json) -> float:
        return float(isinstance(value, str) and value == reference)

    def render(self, value: Json) -> str:
        return str(value)

    def _from_object(self, text: str) -> Match | None:
        """Read `{"label": "x"}`, `["x"]` and `"x"`: structured output wraps the one value there is."""
        if text[:1] not in ("{", "[", '"'):
            return None
        try:
            value = load_strict(text)
        except ValueError:
            return None
        if isinstance(value, Mapping) and len(value) == 1:
            value = next(iter(value.values()))
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
            value = value[0]
        found = self.label_set.find(value) if isinstance(value, str) else None
        return found and Match(found.label, join_repairs("json", found.repaired))

    def _from_lead(self, text: str) -> Match | None:
        lead = LEAD_WORDS.match(text.lstrip(QUOTES + " "))
        if lead is None:
            return None
        found = self.label_set.find(text.lstrip(QUOTES + " ")[lead.end() :])
        return found and Match(found.label, join_repairs("surrounding_prose", found.repaired))

    def _from_line(self, text: str) -> Match | None:
        """Read the one line that is a label by itself, when no line names another or takes it back."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            return None
        found = [match for line in lines if (match := self.label_set.find(line) or self._from_lead(line))]
        if len({match.label for match in found}) != 1 or _RETRACTION.search(text) is not None:
            return None
        others = (label for label in self.label_set.labels if label != found[0].label)
        if _mentions_any(text, others, found[0].label):
            return None
        return Match(found[0].label, join_repairs("surrounding_prose", *(match.repaired for match in found)))


def parse_gold_label(labels: LabelSet, gold: Json) -> Parsed:
    """Bring a gold value (text, number or truth value) to a known label. Never raises."""
    if gold is None:
        return Parsed(error_kind="missing", detail="there is no gold value")
    if isinstance(gold, bool):
        gold = "true" if gold else "false"
    if not isinstance(gold, (str, int, float)):
        return Parsed(error_kind="unparseable", detail=f"gold must be one label, not {type(gold).__name__}")
    try:
        match = labels.find(str(gold))
    except ValueError:
        match = None
    if match is None:
        return Parsed(error_kind="unknown_label", detail=f"gold {str(gold)[:80]!r} is not one of the task's labels")
    return Parsed(match.label, repaired=match.repaired)


def _mentions_any(text: str, labels: Iterable[str], said: str) -> bool:
    folded = text.casefold().replace(said.casefold(), " ")
    words = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(label.casefold()) for label in labels) + r")(?!\w)")
    return words.search(folded) is not None


def _fold_case(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _strip_quotes(text: str) -> str:
    return _fold_case(text).strip(QUOTES + " .,;:!")


def _join_words(text: str) -> str:
    return re.sub(r"[\s_\-]+", "_", _strip_quotes(text))


BENDS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("case", _fold_case),
    ("quotes", _strip_quotes),
    ("separators", _join_words),
)


def _index(labels: Sequence[str], bend: Callable[[str], str]) -> dict[str, str]:
    forms: dict[str, list[str]] = {}
    for label in labels:
        forms.setdefault(bend(label), []).append(label)
    return {form: owners[0] for form, owners in forms.items() if len(owners) == 1 and form}
