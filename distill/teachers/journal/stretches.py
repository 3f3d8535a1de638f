"""A batch of writes, cut into stretches that are carried out kind by kind: few statements, the same meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from distill.teachers.journal.protocol import Answer, Attempt, Failure, Flight, Intent, Note, Release, Swap
from distill.teachers.journal.purses import Other

_RANK: dict[type, int] = {Intent: 0, Attempt: 1, Answer: 1, Failure: 1, Release: 2, Note: 3, Flight: 3, Swap: 4}
"""Writes of one rank may be carried out together; a batch is cut where the rank falls."""


def stretches(writes: Sequence[Other]) -> Iterator[list[Other]]:
    """Cut a batch into stretches, in each of which intents come first, swaps last."""
    part: list[Other] = []
    for write in writes:
        if part and _RANK[type(write)] < _RANK[type(part[-1])]:
            yield part
            part = []
        part.append(write)
    if part:
        yield part
