"""Gate: judge the evaluation by the rules; write gate.json and scores.json. The only place where a verdict is made."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from distill.costs import cascade_cost_per_1k_usd, student_cost_per_1k_usd
from distill.costs.config import CostsConfig
from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table
from distill.engine.stage import Context, Stage, Summary
from distill.gates import Evidence, Measured, decide
from distill.gates.config import GateConfig
from distill.metrics import METRICS, default_metrics
from distill.records.prediction import Prediction
from distill.records.score import Score
from distill.stages.scoring import read_prediction
from distill.tasks.config import OutputKind

GENERATED_BY = "distill gate 1"


@dataclass(frozen=True, slots=True)
class GateStageConfig:
    """The rules, what serving costs, and which metrics are shown."""

    gate: GateConfig
    costs: CostsConfig
    output: OutputKind
    labels: tuple[str, ...] | None
    metrics: tuple[str, ...] | None
    allowed_looks: int
    channels: Mapping[str, int] = field(default_factory=dict[str, int])


def run_gate(config: object, context: Context) -> Summary:
    """Decide; a verdict other than promote is a result, not an error.

    Raises:
        StoreError: the evaluation's table is damaged.
    """
    config = cast("GateStageConfig", config)
    source = context.inputs["evaluate"]
    rows = cast("list[dict[str, object]]", read_table(source / "predictions.parquet").to_pylist())
    by_system: dict[str, list[Prediction]] = defaultdict(list)
    for row in rows:
        by_system[cast("str", row["system"])].append(read_prediction(row))
    evaluation = cast("dict[str, Any]", json.loads((source / "evaluation.json").read_text(encoding="utf-8")))
    costs = measure_costs(by_system, evaluation, config.costs)
    evidence = Evidence(
        expected=evaluation["expected"],
        predictions={name: tuple(predictions) for name, predictions in by_system.items()},
        metrics=METRICS,
        measured={"cost_per_1k_usd": {name: Measured(usd, usd, usd) for name, usd in costs.items()}},
        reference=evaluation["reference"],
        look=evaluation["look"],
        allowed_looks=config.allowed_looks,
        heldout_digest=evaluation["heldout_digest"],
        problems=tuple(evaluation["problems"]),
        labels=config.labels,
    )
    decision = decide(evidence, config.gate)
    scores = score_systems(by_system, config.metrics or default_metrics(config.output), costs)
    write_json(context, "gate.json", asdict(decision))
    write_json(context, "scores.json", scores)
    facts: dict[str, Plain] = {"decision": decision.decision}
    return Summary(rows_in=len(rows), rows_out=len(decision.rules), facts=facts)


def measure_costs(
    by_system: Mapping[str, Sequence[Prediction]], evaluation: Mapping[str, Any], costs: CostsConfig
) -> dict[str, float | None]:
    """Return USD per 1,000 answers of teacher, student and cascade, as billed and measured; None: unknown."""
    from distill.metrics.threshold import is_sure  # noqa: PLC0415 scipy, which an idle run must not wait for

    teacher = [p.cost_usd for p in by_system.get("teacher", ()) if p.repeat == 0]
    known = [usd for usd in teacher if usd is not None]
    teacher_usd = sum(known) / len(known) * 1000 if known and len(known) == len(teacher) else None
    student_usd = student_cost_per_1k_usd(evaluation["throughput_per_s"], costs.student)
    found: dict[str, float | None] = {"teacher": teacher_usd, "student": student_usd}
    if evaluation["threshold"] is not None:
        threshold = cast("float | None", evaluation["threshold"]["threshold"])
        student = by_system["student"]
        escalated = sum(not is_sure(prediction, threshold) for prediction in student) / len(student)
        found["cascade"] = cascade_cost_per_1k_usd(student_usd, teacher_usd, escalated)
    return found


def score_systems(
    by_system: Mapping[str, Sequence[Prediction]], metrics: Sequence[str], costs: Mapping[str, float | None]
) -> dict[str, Any]:
    """Score every system by every metric, overall and per slice, each with its interval."""
    systems: dict[str, dict[str, Any]] = {}
    slices: dict[str, dict[str, dict[str, Any]]] = {}
    for name, predictions in by_system.items():
        systems[name] = {metric: asdict(METRICS[metric].aggregate(predictions)) for metric in metrics}
        if name in costs:
            systems[name]["cost_per_1k_usd"] = asdict(
                Score(
                    "cost_per_1k_usd", costs[name], None, None, len(predictions), "usd", "throughput x rate, or billed"
                )
            )
        for value, members in group_by_slice(predictions).items():
            quality = [metric for metric in metrics if METRICS[metric].unit == "fraction"]
            slices.setdefault(value, {})[name] = {m: asdict(METRICS[m].aggregate(members)) for m in quality}
    return {"systems": systems, "slices": slices}


def group_by_slice(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Group predictions by `column=value`, in alphabetical order."""
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        for column, value in prediction.slices.items():
            groups[f"{column}={value}"].append(prediction)
    return dict(sorted(groups.items()))


def write_json(context: Context, name: str, value: object) -> None:
    """Write a JSON file of the artifact; NaN is refused.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    (context.output_dir / name).write_text(text, encoding="utf-8")


GATE = Stage("gate", 2, run_gate)
