"""A set of labels out of a closed set: a JSON list, or a list in plain text where labels cannot be confused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from distill.records.json import Json, dump_canonical, load_strict
from distill.tasks.config import TaskConfig
from distill.tasks.label import LabelSet
from distill.tasks.protocol import Parsed
from distill.tasks.repair import is_text, join_repairs, unwrap_fence

_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")
_NOTHING = frozenset({"none", "(none)", "no labels", "n/a"})


class LabelsTask:
    """`output: labels`; the value is a sorted list of distinct labels, which may be empty."""

    def __init__(self, config: TaskConfig) -> None:
        self.config = config
        self.label_set = LabelSet(config.labels or ())

    def parse(self, text: str) -> Parsed:
        if not text.strip():
            return Parsed(error_kind="empty", detail="the answer is empty (no label is written as [])")
        if not is_text(text):
            return Parsed(error_kind="unparseable", detail="the answer holds half a surrogate pair")
        inner = unwrap_fence(text)
        items, how = self._split(inner.text)
        if items is None:
            return Parsed(error_kind="unparseable", detail="expected a JSON list of labels")
        return self._collect(items, join_repairs(inner.repaired, how))

    def parse_gold(self, gold: Json) -> Parsed:
        if gold is None:
            return Parsed(error_kind="missing", detail="there is no gold value")
        if isinstance(gold, str):
            return self.parse(gold) if gold.strip() else Parsed([])
        if isinstance(gold, Mapping) or not isinstance(gold, Sequence):
            return Parsed(error_kind="unparseable", detail=f"gold must be a list of labels, not {type(gold).__name__}")
        return self._collect(list(gold), None)

    def score(self, value: Json, reference: Json) -> float:
        """Score with F1 over labels; two empty sets are equal."""
        given, right = _as_set(value), _as_set(reference)
        if given is None or right is None:
            return 0.0
        if not given and not right:
            return 1.0
        return 2 * len(given & right) / (len(given) + len(right))

    def render(self, value: Json) -> str:
        return dump_canonical(sorted(_as_set(value) or ()))

    def _split(self, text: str) -> tuple[list[Json] | None, str | None]:
        """Split answer text into labels-to-be, with the repair that took; None when it is no list."""
        try:
            value = load_strict(text)
        except ValueError:
            return self._split_plain(text)
        if isinstance(value, Mapping) and len(value) == 1:
            value = next(iter(value.values()))
            return _as_list(value), "json_object"
        if isinstance(value, str):
            return [value], "bare_label"
        return _as_list(value), None

    def _split_plain(self, text: str) -> tuple[list[Json] | None, str | None]:
        if text.casefold().strip(" .") in _NOTHING and self.label_set.find(text) is None:
            return [], "none_word"
        if self.label_set.find(text) is not None:
            return [text], "bare_label"
        lines: list[Json] = [_BULLET.sub("", line) for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            return lines, "list_lines"
        for separator in (",", ";", "|"):
            if separator in text and not any(separator in label for label in self.label_set.labels):
                return [part for part in text.split(separator) if part.strip()], "list_text"
        return lines or None, "bare_label"

    def _collect(self, items: Sequence[Json], how: str | None) -> Parsed:
        found: set[str] = set()
        repairs: list[str | None] = [how]
        for item in items:
            match = self.label_set.find(item) if isinstance(item, str) else None
            if match is None:
                return Parsed(error_kind="unknown_label", detail=f"{str(item)[:80]!r} is not one of the task's labels")
            repairs.append(match.repaired)
            found.add(match.label)
        return Parsed(sorted(found), repaired=join_repairs(*repairs))


def _as_list(value: Json) -> list[Json] | None:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else None


def _as_set(value: Json) -> frozenset[str] | None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    return frozenset(item for item in value if isinstance(item, str))
