"""The `task` section: what the answer looks like and how the question is put."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distill.records.frozen import Frozen

OutputKind = Literal["label", "labels", "json", "answer", "text"]


class TaskConfig(Frozen):
    """What is asked and what a valid answer is."""

    output: OutputKind
    """Kind of answer: one label, a set of labels, a JSON object, a short answer, or free text."""
    labels: tuple[str, ...] | None = None
    """The closed label set (in YAML: a list, or the path of a file with one label a line)."""
    schema_: dict[str, object] | None = Field(default=None, alias="schema")
    """JSON Schema of the answer (in YAML: an object, or the path of a .json file); for `output: json`."""
    pattern: str | None = None
    """Regular expression whose first group (or whole match) is the answer, at its last match; for `output: answer`."""
    number: bool = False
    """The answer is a number, compared numerically; for `output: answer`."""
    system: str | None = None
    """Jinja2 template of the system message, over the row's columns (`labels` is available too)."""
    user: str
    """Jinja2 template of the user message, over the row's columns."""
    student_user: str | None = None
    """Shorter user template for the student; default: `user`."""
    student_system: str | None = None
    """System template for the student; default: none."""
