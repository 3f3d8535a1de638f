"""One input of the task, with its gold answer if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from distill.records.json import Json


@dataclass(frozen=True, slots=True)
class Example:
    """One input.

    `columns` are the row's values that templates may use; `text` is what duplicates and leaks are
    judged on (the columns the prompts use, joined); `gold` and `teacher_output` are JSON values or
    None; `slices` maps slice column to value; `group` never crosses a split; `where` is `file:line`.
    """

    id: str
    text: str
    columns: Mapping[str, Json]
    gold: Json = None
    teacher_output: str | None = None
    group: str | None = None
    time: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict[str, str])
    content_hash: str = ""
    where: str = ""
