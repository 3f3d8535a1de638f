"""The fallback threshold: calibrated, chosen and certified on validation rows, before a held-out row is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distill.engine.stage import Context
from distill.metrics.config import FallbackConfig
from distill.records.json import Json
from distill.records.training import Answer
from distill.stages.validation import ValidationRow, divide_validation
from distill.tasks import Task

if TYPE_CHECKING:
    from distill.metrics.calibration import Calibration
    from distill.metrics.threshold import ThresholdChoice

MIN_CERTIFYING = 20


@dataclass(frozen=True, slots=True)
class Fitted:
    """The choice, and what a confidence means in chances of being right (None: too few rows to say)."""

    choice: ThresholdChoice
    calibration: Calibration | None

    def manifest(self) -> dict[str, Json]:
        """Return what is stored with the student."""
        fallback: dict[str, Json] = {
            "threshold": self.choice.threshold,
            "certified": self.choice.certified,
            "risk_over": self.choice.risk_over,
            "reason": self.choice.reason,
            "n": self.choice.n,
        }
        found: dict[str, Json] = {"fallback": fallback}
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_json()
            fallback["chance_of_right_there"] = self.calibration.chance(self.choice.threshold)
        return found


def fit_threshold(
    rows: list[ValidationRow], answers: list[Answer], task: Task, fallback: FallbackConfig, seed: int, context: Context
) -> Fitted:
    """Calibrate on the rows that training chose by too, certify on the others; write validation.json.

    Raises:
        DataError: there are no validation rows, or a confidence is not a number in [0, 1].
    """
    from distill.metrics.calibration import fit_calibration  # noqa: PLC0415 scipy, which an idle run must not wait for
    from distill.metrics.threshold import choose_threshold  # noqa: PLC0415 as above

    parts = divide_validation([row.prompt.id for row in rows], own_rows=fallback.own_rows)
    if len(parts.certifying) < MIN_CERTIFYING:  # halves of so few would certify nothing
        parts = divide_validation([row.prompt.id for row in rows], own_rows=False)
    outcomes = [
        (row.prompt.id, answer.confidence or 0.0, is_right(answer, row.expected, task))
        for row, answer in zip(rows, answers, strict=True)
    ]
    table = [
        {"id": name, "confidence": confidence, "correct": right, "part": _part(name, parts.certifying, parts.choosing)}
        for name, confidence, right in outcomes
    ]
    (context.output_dir / "validation.json").write_text(json.dumps(table), encoding="utf-8")
    certifying = [(confidence, right) for name, confidence, right in outcomes if name in parts.certifying]
    choosing = [(confidence, right) for name, confidence, right in outcomes if name in parts.choosing]
    choice = choose_threshold([c for c, _ in certifying], [right for _, right in certifying], fallback, seed)
    return Fitted(choice, fit_calibration([c for c, _ in choosing], [right for _, right in choosing]))


def is_right(answer: Answer, expected: Json, task: Task) -> bool:
    """Say whether an answer parses and is right."""
    parsed = task.parse(answer.text) if answer.error_kind is None else None
    return parsed is not None and parsed.error_kind is None and task.score(parsed.value, expected) >= 1.0


def _part(name: str, certifying: frozenset[str], choosing: frozenset[str]) -> str:
    return "both" if name in certifying and name in choosing else "certifying" if name in certifying else "choosing"
