"""What an output kind must offer. A member never raises on any text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from distill.records.json import Json
from distill.tasks.config import TaskConfig


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed answer, or the reason there is none.

    `value` is JSON (label: str; labels: sorted list of str; json: object; answer and text: str; number: float);
    `error_kind` is None when parsed, else empty, unparseable, unknown_label, schema_invalid, ...;
    `repaired` names a lossless repair that was needed (code_fence, surrounding_prose, case, ...), else None.
    """

    value: Json = None
    error_kind: str | None = None
    detail: str = ""
    repaired: str | None = None


class Task(Protocol):
    """One output kind, bound to its config."""

    config: TaskConfig

    def parse(self, text: str) -> Parsed:
        """Parse raw answer text. Never raises."""
        ...

    def parse_gold(self, gold: Json) -> Parsed:
        """Bring a gold value to the same form as a parsed answer. Never raises."""
        ...

    def score(self, value: Json, reference: Json) -> float:
        """Score a parsed value against a reference in [0, 1]; 1 means right."""
        ...

    def render(self, value: Json) -> str:
        """Write a value as the canonical answer text; `parse(render(v)).value == v`."""
        ...
