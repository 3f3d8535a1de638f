"""The student kinds: a table of module names, loaded when asked for, so that a listing never imports torch."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, cast

from distill.errors import UsageError

if TYPE_CHECKING:
    from distill.students.protocol import Student

# peft imports bitsandbytes wherever it is installed, and on some CPUs that warns of a kernel that is not needed here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

STUDENTS: dict[str, str] = {
    "classifier": "distill.students.classifier",
    "causal_lm": "distill.students.causal_lm",
    "seq2seq": "distill.students.seq2seq",
}
"""Kind -> module that holds `STUDENT`."""


def get_student(kind: str) -> Student:
    """Return the student kind named `kind`; this is what imports torch.

    Raises:
        UsageError: no kind has that name.
    """
    if kind not in STUDENTS:
        raise UsageError(f"unknown student kind {kind!r}; known: {', '.join(sorted(STUDENTS))}")
    return cast("Student", import_module(STUDENTS[kind]).STUDENT)


def is_follower() -> bool:
    """Say whether a launcher started this process only to help another one train."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("RANK", "0") != "0"


def has_followers() -> bool:
    """Say whether a launcher started others to help this process train."""
    return os.environ.get("WORLD_SIZE", "1") != "1" and not is_follower()
