"""scores.json: every system by every metric, overall and per slice; where errors come from; every threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, cast

from distill.costs import cascade_cost_per_1k_usd, student_cost_per_1k_usd
from distill.costs.config import CostsConfig
from distill.gates import Evidence, Measured
from distill.gates.judge import slices_of
from distill.metrics import METRICS
from distill.records.prediction import Prediction
from distill.records.score import Score

BySystem = Mapping[str, Sequence[Prediction]]


def measure_costs(
    by_system: BySystem, evaluation: Mapping[str, Any], costs: CostsConfig, confidence: float = 0.95
) -> dict[str, Measured]:
    """Return USD per 1,000 answers, as billed and measured, with the spread over rows where there is one.

    Bounds are two-sided at `confidence`: a rule needs those of its own error level.

    A student is priced at its measured throughput, which has no spread; a cascade pays the teacher on what falls back,
    with the interval of that share. What is unknown is None, never 0.
    """
    from distill.metrics.threshold import is_sure  # noqa: PLC0415 scipy, which an idle run must not wait for
    from distill.statistics.proportions import clopper_pearson_interval  # noqa: PLC0415 as above

    others = {name: rows for name, rows in by_system.items() if name not in ("student", "cascade")}
    found = {name: _billed(rows, confidence) for name, rows in others.items()}
    found = {name: cost for name, cost in found.items() if name == "teacher" or cost.value is not None}
    usd = student_cost_per_1k_usd(evaluation["throughput_per_s"], costs.student)
    found["student"] = Measured(usd, usd, usd)
    if evaluation["threshold"] is None:
        return found
    threshold = cast("float | None", evaluation["threshold"]["threshold"])
    student = [p for p in by_system["student"] if p.repeat == 0]
    escalated = sum(not is_sure(prediction, threshold) for prediction in student)
    share = clopper_pearson_interval(escalated, len(student), confidence)
    teacher = found.get("teacher", Measured(None))
    found["cascade"] = Measured(
        cascade_cost_per_1k_usd(usd, teacher.value, escalated / len(student)),
        cascade_cost_per_1k_usd(usd, teacher.low, share.low),
        cascade_cost_per_1k_usd(usd, teacher.high, share.high),
    )
    return found


def _billed(rows: Sequence[Prediction], confidence: float) -> Measured:
    score = METRICS["cost_per_1k_usd"].aggregate([p for p in rows if p.repeat == 0], confidence)
    return Measured(score.value, score.low, score.high)


def score_systems(
    evidence: Evidence, metrics: Sequence[str], costs: Mapping[str, Measured], evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    """Score every system by every metric, overall and per slice, each with its interval."""
    systems: dict[str, dict[str, Any]] = {}
    for name, predictions in evidence.predictions.items():
        systems[name] = {metric: asdict(METRICS[metric].aggregate(predictions)) for metric in metrics}
        if name in costs:
            systems[name]["cost_per_1k_usd"] = asdict(_cost_score(costs[name], len(predictions)))
    if evaluation.get("cold_first_answer_ms") is not None:
        starts = evaluation.get("cold_starts_ms") or [evaluation["cold_load_ms"] + evaluation["cold_first_answer_ms"]]
        note = f"median of {len(starts)} starts: loading the student and its first answer"
        score = Score("cold_latency_ms", float(median(starts)), None, None, len(starts), "ms", note)
        systems["student"]["cold_latency_ms"] = asdict(score)
    quality = [metric for metric in metrics if METRICS[metric].unit in ("fraction", "points")]
    slices = {
        value: {
            name: {m: asdict(METRICS[m].aggregate([p for p in rows if p.id in ids])) for m in quality}
            for name, rows in evidence.predictions.items()
        }
        for value, ids in slices_of(evidence).items()
    }
    return {
        "reference": evidence.reference,
        "systems": systems,
        "slices": slices,
        "errors": trace_errors(evidence.predictions, evidence.reference),
    }


def _cost_score(cost: Measured, n: int) -> Score:
    spread = cost.low != cost.high
    low, high = (cost.low, cost.high) if spread else (None, None)
    return Score("cost_per_1k_usd", cost.value, low, high, n, "usd", "throughput x rate, or billed")


def trace_errors(by_system: BySystem, reference: str) -> dict[str, dict[str, int]]:
    """Count where a system's errors come from, over first answers; against gold only, where teachers can be wrong.

    `inherited`: wrong with the teacher's own wrong answer; `both_wrong`: wrong in another way where the teacher is
    wrong too; `introduced`: wrong where the teacher is right; `repaired`: right where the teacher is wrong.
    """
    if reference != "gold":
        return {}
    teacher = {p.id: p for p in by_system.get("teacher", ()) if p.repeat == 0}
    found: dict[str, dict[str, int]] = {}
    for name, rows in by_system.items():
        if name == "teacher":
            continue
        counts = {"inherited": 0, "both_wrong": 0, "introduced": 0, "repaired": 0, "n": 0}
        for own in rows:
            if own.repeat == 0 and own.id in teacher:
                counts["n"] += 1
                kind = _origin(own, teacher[own.id])
                if kind is not None:
                    counts[kind] += 1
        found[name] = counts
    return found


def _origin(own: Prediction, teacher: Prediction) -> str | None:
    if own.correct:
        return None if teacher.correct else "repaired"
    if teacher.correct:
        return "introduced"
    same = own.error_kind is None and teacher.error_kind is None and own.parsed == teacher.parsed
    return "inherited" if same else "both_wrong"


def foresee_thresholds(
    evaluation: Mapping[str, Any], costs: Mapping[str, Measured], teacher_accuracy: Score
) -> list[dict[str, float | None]]:
    """Return, per threshold on the validation curve, the cascade's expected coverage, cost and quality, with bands.

    Quality: the student's errors among what it answers (their interval), and the teacher's error rate on the rest.
    """
    if evaluation["threshold"] is None:
        return []
    student = costs["student"].value
    teacher = costs.get("teacher", Measured(None))
    wrong = 1 - (teacher_accuracy.value or 0.0)
    rows: list[dict[str, float | None]] = []
    for point in evaluation["threshold"]["curve"]:
        rest, rest_low, rest_high = (1 - point[k] for k in ("coverage", "coverage_high", "coverage_low"))
        rows.append(
            {
                "threshold": point["threshold"],
                "coverage": point["coverage"],
                "coverage_low": point["coverage_low"],
                "coverage_high": point["coverage_high"],
                "quality": 1 - point["cascade_error"] - rest * wrong,
                "quality_low": max(0.0, 1 - point["cascade_error_high"] - rest_high * wrong),
                "quality_high": min(1.0, 1 - point["cascade_error_low"] - rest_low * wrong),
                "cost_per_1k_usd": cascade_cost_per_1k_usd(student, teacher.value, rest),
                "cost_low": cascade_cost_per_1k_usd(student, teacher.low, rest_low),
                "cost_high": cascade_cost_per_1k_usd(student, teacher.high, rest_high),
            }
        )
    return rows
