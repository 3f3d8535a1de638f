"""The label-free signals: what makes a logged request a bad event, one line each. None: the row cannot say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from distill.filters.refusal import is_refusal
from distill.filters.repetition import find_loop
from distill.monitoring.config import MonitorConfig
from distill.records.live import ServedRequest

UNSURE = "low_confidence"
_FAILED = ("timeout", "student_closed", "no_answer")
_CUT = ("truncated", "overlong")
_PHRASE_WORDS, _REPEATS = 12, 5

Judge = Callable[[ServedRequest, MonitorConfig], bool | None]


def find_failure(row: ServedRequest) -> str:
    """Return why the student's own answer could not be used; empty where it could (sure or not)."""
    first = row.reason.partition(",")[0]
    return "" if first == UNSURE else first


def _schema(row: ServedRequest, _: MonitorConfig) -> bool:
    failure = find_failure(row)
    return bool(failure) and not _is_failed(failure) and failure not in _CUT


def _failed(row: ServedRequest, _: MonitorConfig) -> bool:
    return _is_failed(find_failure(row))


def _is_failed(failure: str) -> bool:
    return failure in _FAILED or failure.startswith("upstream_")


def _truncated(row: ServedRequest, _: MonitorConfig) -> bool:
    return find_failure(row) in _CUT


def _refusal(row: ServedRequest, _: MonitorConfig) -> bool | None:
    return None if row.student_answer is None else is_refusal(row.student_answer)


def _repetition(row: ServedRequest, _: MonitorConfig) -> bool | None:
    if row.student_answer is None:
        return None
    return find_loop(row.student_answer.split(), _PHRASE_WORDS, _REPEATS) is not None


def _slow(row: ServedRequest, config: MonitorConfig) -> bool:
    return row.latency_ms > config.slow_ms


def _escalation(row: ServedRequest, _: MonitorConfig) -> bool:
    return bool(row.reason)


def _unanswered(row: ServedRequest, _: MonitorConfig) -> bool:
    return row.answered_by == "none"


SIGNALS: Mapping[str, Judge] = {
    "schema_errors": _schema,
    "failed": _failed,
    "truncated": _truncated,
    "refusal": _refusal,
    "repetition": _repetition,
    "slow": _slow,
    "escalation": _escalation,
    "unanswered": _unanswered,
}
"""Name -> judge; each has a rate of the same name in the config and an entry in docs/operations.md."""
DETECTORS = len(SIGNALS) + 2
"""Those that share `false_alarm`: the signals, the change and the level of disagreement."""
STUDENT_SIGNALS = frozenset(
    {"disagreement", "disagreement_level", "schema_errors", "truncated", "refusal", "repetition"}
)
"""Alarms that are about the student's own answers: only these roll back."""
