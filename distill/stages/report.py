"""Report: put what the stages wrote on one page, and the costs beside it. Reads numbers, makes none of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from distill.costs import CostInputs, TeacherLedger, build_costs, rows_from_predictions
from distill.costs.config import CostsConfig
from distill.engine.parquet import read_table
from distill.engine.stage import Context, Stage, Summary
from distill.records.decision import Decision, RuleOutcome
from distill.reports import (
    DroppedSample,
    Funnel,
    FunnelStep,
    Lineage,
    Look,
    ReportData,
    RunFacts,
    SplitAudit,
    SystemScore,
    TrainingPoint,
    answer_rows,
    calibration_of,
    confusion_of,
    render_report,
)
from distill.stages.gate import write_json
from distill.stages.student_alone import judge_student_alone
from distill.teachers.config import TermsConfig


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What the page says that no stage wrote."""

    name: str
    task: str
    teacher: str
    student: str
    base: str
    costs: CostsConfig
    terms: TermsConfig
    price_is_assumption: bool
    seeds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Files:
    """The JSON files of the inputs."""

    training: dict[str, Any]
    evaluation: dict[str, Any]
    gate: dict[str, Any]
    scores: dict[str, Any]
    generate: dict[str, Any]
    evaluate: dict[str, Any]
    audit: dict[str, Any]
    funnel: list[dict[str, Any]]


def run_report(config: object, context: Context) -> Summary:
    """Write report.html and costs.json.

    Raises:
        StoreError: an input is damaged.
    """
    config = cast("ReportConfig", config)
    files = read_files(context)
    predictions = read_table(context.inputs["evaluate"] / "predictions.parquet")
    costs = build_costs(gather_costs(config, files, predictions, context), config.costs)
    write_json(context, "costs.json", costs.to_json())
    data = gather_report(config, files, predictions, cast("dict[str, Any]", costs.to_json()), context)
    (context.output_dir / "report.html").write_text(render_report(data), encoding="utf-8")
    return Summary(rows_in=predictions.num_rows, rows_out=1)


def read_files(context: Context) -> Files:
    """Read the JSON files that the stages left."""
    inputs = context.inputs
    return Files(
        training=_read(inputs["train"] / "training.json"),
        evaluation=_read(inputs["evaluate"] / "evaluation.json"),
        gate=_read(inputs["gate"] / "gate.json"),
        scores=_read(inputs["gate"] / "scores.json"),
        generate=_read(inputs["generate"] / "ledger.json"),
        evaluate=_read(inputs["evaluate"] / "ledger.json"),
        audit=_read(inputs["split"] / "audit.json"),
        funnel=json.loads((inputs["filter"] / "funnel.json").read_text(encoding="utf-8")),
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def gather_costs(config: ReportConfig, files: Files, predictions: pa.Table, context: Context) -> CostInputs:
    """Put together what the costs stand on: answers by what they cost, whenever they were bought."""
    bought = read_table(context.inputs["generate"] / "completions.parquet")
    student = files.scores["systems"]["student"]
    teacher_usd = [row["cost_usd"] for row in _rows(predictions) if row["system"] == "teacher" and row["repeat"] == 0]
    return CostInputs(
        teacher=TeacherLedger(
            calls=bought.num_rows,
            input_tokens=_total(bought, "input_tokens"),
            cached_input_tokens=_total(bought, "cached_input_tokens"),
            output_tokens=_total(bought, "output_tokens"),
            usd=_usd(bought.column("cost_usd").to_pylist(), files.generate["ledger"]["wasted_usd"]),
            wasted_usd=files.generate["ledger"]["wasted_usd"],
            estimated_calls=sum(bought.column("usage_estimated").to_pylist()),
            price_source=str(files.generate["price"]["source"]),
            price_is_assumption=config.price_is_assumption,
        ),
        rows=rows_from_predictions(predictions),
        throughput_per_s=files.evaluation["throughput_per_s"],
        p50_ms=_value(student, "p50_latency_ms"),
        p95_ms=_value(student, "p95_latency_ms"),
        training_s=files.training["seconds"],
        evaluation_s=files.evaluation["seconds"],
        evaluation_teacher_usd=_usd(teacher_usd, 0.0),
        threshold=_threshold(files),
    )


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", table.to_pylist())


def _total(table: pa.Table, column: str) -> int:
    return sum(value or 0 for value in cast("list[int | None]", table.column(column).to_pylist()))


def _usd(costs: list[float | None], wasted: float) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) + wasted if len(known) == len(costs) else None


def _value(scores: dict[str, Any], metric: str) -> float | None:
    return scores[metric]["value"] if metric in scores else None


def _threshold(files: Files) -> float | None:
    chosen = files.evaluation["threshold"]
    return None if chosen is None else chosen["threshold"]


def gather_report(
    config: ReportConfig, files: Files, predictions: pa.Table, costs: dict[str, Any], context: Context
) -> ReportData:
    """Put the page's content together."""
    heldout = read_table(context.inputs["sealed"] / "heldout.parquet", ["id", "text"])
    texts = dict(zip(heldout.column("id").to_pylist(), heldout.column("text").to_pylist(), strict=True))
    threshold = _threshold(files)
    rows = answer_rows(predictions, texts, threshold)
    decision = read_decision(files.gate)
    judged = {rule.of for rule in decision.rules if rule.policy == "block"}
    escalated = [row.escalated for row in rows if row.escalated is not None]
    is_rehearsal = bool(files.generate["is_rehearsal"])
    return ReportData(
        run=RunFacts(
            name=config.name,
            id=context.key[:12],
            created=files.evaluation["finished"],
            task=config.task,
            teacher=config.teacher,
            student=config.student,
            train_rows=files.training["rows_trained"],
            heldout_rows=files.evaluation["heldout_rows"],
            seconds=files.training["seconds"],
            usd=costs.get("one_off", {}).get("data_usd"),
        ),
        decision=decision,
        scores=read_scores(files.scores),
        rows=rows,
        costs=costs,
        lineage=gather_lineage(config, files, context),
        student_alone=judge_student_alone(decision) if "cascade" in judged else None,
        threshold=threshold,
        escalation_rate=sum(escalated) / len(escalated) if escalated else None,
        reference=files.evaluation["reference"],
        confusion=confusion_of(rows),
        calibration=calibration_of(rows),
        training=read_training(files.training),
        funnel=read_funnel(files, context),
        audit=read_audit(files.audit),
        looks=(Look(files.evaluation["look"], files.evaluation["finished"], config.student, decision.decision),),
        is_rehearsal=is_rehearsal,
        assumptions=tuple(costs.get("assumptions", ())),
        warnings=tuple(costs.get("warnings", ())),
    )


def read_decision(gate: dict[str, Any]) -> Decision:
    """Return gate.json's object as a decision."""
    rules = tuple(RuleOutcome(**rule) for rule in gate["rules"])
    fields: dict[str, Any] = {**gate, "rules": rules, "notes": tuple(gate.get("notes", ()))}
    return Decision(**fields)


def read_scores(scores: dict[str, Any]) -> tuple[SystemScore, ...]:
    """Return scores.json's object as a flat list."""
    found: list[SystemScore] = []
    groups: dict[str | None, dict[str, Any]] = {None: scores["systems"], **scores["slices"]}
    for name, systems in groups.items():
        for system, metrics in systems.items():
            for metric, score in metrics.items():
                found.append(SystemScore(system, metric, score["value"], score["low"], score["high"], score["n"], name))
    return tuple(found)


def read_training(training: dict[str, Any]) -> tuple[TrainingPoint, ...]:
    """Return the training's history: one point per entry that has a loss."""
    return tuple(
        TrainingPoint(int(entry.get("step", 0)), entry.get("loss"), entry.get("eval_loss"))
        for entry in training["history"]
        if "loss" in entry or "eval_loss" in entry
    )


def read_funnel(files: Files, context: Context) -> Funnel:
    """Return funnel.json with what was bought before it."""
    bought = read_table(context.inputs["generate"] / "completions.parquet", ["cost_usd"])
    kept = read_table(context.inputs["filter"] / "kept.parquet", ["id"]).num_rows
    steps = tuple(
        FunnelStep(
            step["filter"], step["reasons"], step["usd_dropped"], tuple(DroppedSample(**row) for row in step["samples"])
        )
        for step in files.funnel
    )
    return Funnel(bought.num_rows, kept, steps, _usd(bought.column("cost_usd").to_pylist(), 0.0))


def read_audit(audit: dict[str, Any]) -> SplitAudit:
    """Return audit.json's object."""
    return SplitAudit(
        exact=audit["overlap_exact"],
        normalised=audit["overlap_normalised"],
        near=audit["overlap_near"],
        removed=audit["leaks_removed_from_train"],
        duplicates_removed=audit["duplicates_removed"],
    )


def gather_lineage(config: ReportConfig, files: Files, context: Context) -> Lineage:
    """Say what the result was made of."""
    hashes = {role: path.name if len(path.name) == 64 else path.parent.name for role, path in context.inputs.items()}
    standing = files.generate["standing"]
    base = files.training.get("base", {})
    served = files.generate["ledger"]["models_served"] or files.evaluate["ledger"]["models_served"]
    return Lineage(
        seeds=config.seeds,
        hashes={**hashes, "held-out set": files.evaluation["heldout_digest"]},
        licences=tuple((str(name), str(value)) for name, value in base.items() if "licen" in str(name).lower()),
        terms=config.terms.training_on_outputs,
        terms_source=config.terms.source,
        sunset=standing.get("sunset"),
        sunset_days_left=standing.get("days_left"),
        model_served=", ".join(served) or None,
    )


REPORT = Stage("report", 1, run_report)
