"""What a confidence means: the chance that the answer is right, by an isotonic fit on validation rows.

The fit never reorders answers, so the fallback threshold stays on the scale that the student gives and serving
compares; the map says what that threshold promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.records.json import Json
from distill.statistics.calibration import (
    IsotonicMap,
    brier_score,
    ece_null,
    expected_calibration_error,
    fit_isotonic,
)

MIN_ROWS = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """An isotonic map with what it was fitted on. `ece_null_95`: what a perfect system would not exceed there."""

    map: IsotonicMap
    n: int
    brier: float
    ece: float
    ece_null_95: float

    def chance(self, confidence: float | None) -> float | None:
        """Return P(right) at a confidence; None for None."""
        return None if confidence is None else float(self.map.apply([confidence])[0])

    def to_json(self) -> dict[str, Json]:
        """Return what is stored with the student: linear between the knots, flat outside."""
        return {
            "method": "isotonic",
            "knots": list(self.map.knots),
            "values": list(self.map.values),
            "n": self.n,
            "brier": self.brier,
            "ece": self.ece,
            "ece_null_95": self.ece_null_95,
        }


def fit_calibration(confidences: Sequence[float], correct: Sequence[bool]) -> Calibration | None:
    """Fit on validation rows; None under 50 rows, where the steps would be noise."""
    if len(confidences) < MIN_ROWS:
        return None
    p, right = np.asarray(confidences, np.float64), np.asarray(correct, np.float64)
    return Calibration(
        fit_isotonic(p, right),
        len(p),
        brier_score(p, right),
        expected_calibration_error(p, right),
        float(np.quantile(ece_null(p, draws=500), 0.95)),
    )
