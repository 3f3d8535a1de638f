"""Gold that is no answer of the task: found before anything is bought, since one such value hides all the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from distill.errors import DataError
from distill.records.example import Example
from distill.tasks.protocol import Task

_SHOWN = 3


class Unreadable(NamedTuple):
    """An example whose gold does not parse, and why."""

    example: Example
    why: str


def find_unreadable(examples: Sequence[Example], task: Task) -> list[Unreadable]:
    """Return the examples that have gold which is no answer of the task; no gold is no mistake."""
    found = ((one, task.parse_gold(one.gold)) for one in examples if one.gold is not None)
    return [
        Unreadable(one, parsed.detail or parsed.error_kind) for one, parsed in found if parsed.error_kind is not None
    ]


def check_gold(examples: Sequence[Example], task: Task) -> None:
    """Refuse gold that nobody could be right by.

    Raises:
        DataError: naming the first such rows, how many there are, and what to do.
    """
    found = find_unreadable(examples, task)
    if not found:
        return
    shown = "; ".join(f"{one.example.where}: {one.why}" for one in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    counted = sum(one.gold is not None for one in examples)
    raise DataError(
        f"{shown}{more} ({len(found)} of {counted} gold values); mend them or leave them empty: "
        "an empty gold counts as none"
    )
