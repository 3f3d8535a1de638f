"""The fallback threshold and the cascade it makes. Chosen on validation rows, never on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.errors import DataError
from distill.metrics.config import FallbackConfig, RiskOver
from distill.records.prediction import Prediction
from distill.statistics.proportions import clopper_pearson_interval
from distill.statistics.selective import certify_threshold, risk_coverage_curve

MIN_ANSWERED = 20
_GRID_STEPS = 400


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """At this threshold: share the student answers, its error rate there and the cascade's (95% intervals).

    The cascade's error assumes that the teacher is right on what falls back.
    """

    threshold: float
    coverage: float
    coverage_low: float
    coverage_high: float
    risk: float
    risk_low: float
    risk_high: float
    cascade_error: float
    cascade_error_low: float
    cascade_error_high: float
    answered: int


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """`threshold` None: the student answers nothing. `certified`: its risk is bounded with confidence 1 - delta.

    `risk_over` says of what the risk is a share: the student's own answers, or all traffic.
    """

    threshold: float | None
    certified: bool
    reason: str
    curve: tuple[ThresholdPoint, ...]
    n: int
    risk_over: RiskOver = "answered"


def choose_threshold(
    confidences: Sequence[float], correct: Sequence[bool], config: FallbackConfig, seed: int = 0
) -> ThresholdChoice:
    """Choose the confidence from which the student answers, on validation rows.

    A number in the config is taken as it is. `auto` certifies one by Learn then Test; where nothing can be certified
    at this n it takes the loosest threshold whose observed risk holds, and says that it is not certified: then only
    the gate, on held-out rows, vouches for the cascade. `seed` is for callers that subsample; the choice draws nothing.

    Raises:
        DataError: there are no rows, lengths differ, or a confidence is not a number in [0, 1].
    """
    del seed
    p = np.asarray(confidences, np.float64)
    right = np.asarray(correct, np.float64)
    if len(p) == 0 or len(p) != len(right):
        raise DataError(f"the fallback threshold needs validation rows with outcomes, got {len(p)} and {len(right)}")
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError("a confidence is not a number in [0, 1]: the threshold cannot be chosen")
    curve = draw_curve(p.tolist(), [bool(value) for value in right])
    n = len(p)
    if config.threshold != "auto":
        return ThresholdChoice(config.threshold, False, "set in the config, not certified", curve, n, config.risk_over)
    grid = np.arange(_GRID_STEPS + 1) / _GRID_STEPS
    found = certify_threshold(p, right, config.target_risk, config.delta, grid.tolist(), config.risk_over)
    if found.threshold is not None:
        return ThresholdChoice(found.threshold, True, found.reason, curve, n, config.risk_over)
    observed = _loosest_by_observed_risk(p, right, grid, config)
    if observed is None:
        reason = (
            f"{found.reason}; no threshold keeps the observed risk at {config.target_risk:.1%}: the teacher answers all"
        )
        return ThresholdChoice(None, False, reason, curve, n, config.risk_over)
    reason = f"{found.reason}; {observed:.4g} is the loosest whose observed risk holds: only the gate can vouch for it"
    return ThresholdChoice(observed, False, reason, curve, n, config.risk_over)


def draw_curve(confidences: Sequence[float], correct: Sequence[bool]) -> tuple[ThresholdPoint, ...]:
    """Return risk, coverage and the cascade's error at up to 101 thresholds, strictest first."""
    n = len(confidences)
    points: list[ThresholdPoint] = []
    for point in risk_coverage_curve(confidences, [float(value) for value in correct]):
        wrong = round(point.risk * point.answered)
        coverage = clopper_pearson_interval(point.answered, n)
        error = clopper_pearson_interval(wrong, n)
        points.append(
            ThresholdPoint(
                point.threshold, point.coverage, coverage.low, coverage.high,
                point.risk, point.risk_low, point.risk_high,
                wrong / n, error.low, error.high, point.answered,
            )
        )  # fmt: skip
    return tuple(points)


def cascade(student: Sequence[Prediction], teacher: Sequence[Prediction], threshold: float | None) -> list[Prediction]:
    """Return the predictions of student and teacher as they would be served together, system `cascade`.

    The student's answer stands where its confidence reaches `threshold` and it did not fail; elsewhere the teacher's,
    with both latencies and both costs added (an unknown stays unknown). `threshold` None: the teacher answers all.

    Raises:
        DataError: a student prediction has no teacher prediction with its id, or an id occurs twice.
    """
    by_id: dict[str, Prediction] = {}
    for prediction in teacher:
        if prediction.repeat == 0 and prediction.id in by_id:
            raise DataError(f"two teacher predictions for {prediction.id!r}")
        by_id.setdefault(prediction.id, prediction)
    served: list[Prediction] = []
    for own in student:
        if own.id not in by_id:
            raise DataError(f"no teacher prediction for {own.id!r}: the cascade cannot be put together")
        served.append(_serve(own, by_id[own.id], threshold))
    return served


def _serve(own: Prediction, other: Prediction, threshold: float | None) -> Prediction:
    if is_sure(own, threshold):
        return replace(own, system="cascade")
    return replace(
        other,
        system="cascade",
        repeat=own.repeat,
        confidence=own.confidence,
        latency_ms=_sum(own.latency_ms, other.latency_ms),
        cost_usd=_sum(own.cost_usd, other.cost_usd),
        input_tokens=_sum_tokens(own.input_tokens, other.input_tokens),
        output_tokens=_sum_tokens(own.output_tokens, other.output_tokens),
        slices=own.slices,
        cluster=own.cluster,
    )


def is_sure(prediction: Prediction, threshold: float | None) -> bool:
    """Say whether the student's own answer stands."""
    if threshold is None or prediction.error_kind is not None or prediction.confidence is None:
        return False
    return prediction.confidence >= threshold


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _sum_tokens(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _loosest_by_observed_risk(
    p: np.ndarray, right: np.ndarray, grid: np.ndarray, config: FallbackConfig
) -> float | None:
    best: float | None = None
    for threshold in grid[::-1].tolist():
        chosen = p >= threshold
        if chosen.sum() < min(MIN_ANSWERED, len(p)):
            continue
        rows = len(p) if config.risk_over == "traffic" else chosen.sum()
        if (1 - right[chosen]).sum() / rows > config.target_risk:
            break
        best = float(threshold)
    return best
