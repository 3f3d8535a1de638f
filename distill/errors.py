"""Every error this package raises on purpose, and the exit code each one ends a command with.

DistillError                         1   unexpected, or ours to fix
+-- ConfigError (ValueError)         2   the config or the flags are wrong; carries every problem found
+-- UsageError (ValueError)          2   the command cannot be carried out as asked
+-- PromotionRefusedError (ValueError) 3 the gate did not say promote, or the channel moved
+-- BudgetExceededError (RuntimeError) 5 the next call could pass the budget; resumable
+-- TeacherError (RuntimeError)      6   the teacher cannot be used; `kind` says why
+-- DataError (ValueError)           7   rows, files or held-out set cannot be used
+-- StoreError (OSError)             1   an artifact or the journal is damaged, or the disk is full
+-- UnstableValueError (TypeError)   1   a value without a stable form reached a fingerprint
+-- MissingExtraError (ImportError)  2   an optional dependency is not installed
+-- InterruptedRunError (RuntimeError) 130 Ctrl-C; resumable
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

TeacherErrorKind = Literal[
    "auth",
    "not_found",
    "rate_limited",
    "overloaded",
    "timeout",
    "connection",
    "bad_request",
    "content_filter",
    "malformed",
    "quota",
    "wrong_model",
    "sunset",
    "terms",
    "smoke",
    "price_unknown",
]


class DistillError(Exception):
    """Base of all errors raised on purpose; its text is one clear line that says what to do."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake of an input: where it is and what is wrong.

    `where` is `file:line:col` or the flag that brought the value in; `path` is the dotted config path.
    """

    where: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


class ConfigError(DistillError, ValueError):
    """Raised once for a whole config, with every problem found in it."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class UsageError(DistillError, ValueError):
    """Raised when a command cannot be carried out as asked (unknown run, unknown stage, ...)."""

    exit_code = 2


class MissingExtraError(DistillError, ImportError):
    """Raised when a feature needs an optional dependency that is not installed."""

    exit_code = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package!r} is not installed; run: pip install 'distill[{extra}]'")


class PromotionRefusedError(DistillError, ValueError):
    """Raised by `promote` when the gate did not say promote, or the channel moved meanwhile."""

    exit_code = 3


class BudgetExceededError(DistillError, RuntimeError):
    """Raised before the call whose worst case would pass the budget; what was bought is kept."""

    exit_code = 5


class TeacherError(DistillError, RuntimeError):
    """Raised when a teacher call failed or the teacher cannot be used.

    `kind` drives the retry policy; `retry_after_s` is the server's own wish where it gave one;
    `status` is the HTTP status where there was one.
    """

    exit_code = 6

    def __init__(
        self,
        message: str,
        *,
        kind: TeacherErrorKind,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.kind: TeacherErrorKind = kind
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)


class DataError(DistillError, ValueError):
    """Raised when rows, files or the held-out set cannot be used."""

    exit_code = 7


class StoreError(DistillError, OSError):
    """Raised when an artifact or the journal is damaged, or cannot be written."""


class UnstableValueError(DistillError, TypeError):
    """Raised when a value without a stable form (a path, a set, a lambda, NaN) reaches a fingerprint."""


class InterruptedRunError(DistillError, RuntimeError):
    """Raised when the user interrupts a run; everything finished is kept and the run resumes."""

    exit_code = 130
