"""Report: put what the stages wrote on one page, and the costs beside it. Reads numbers, makes none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from distill.costs import build_costs
from distill.costs.config import CostsConfig
from distill.engine.parquet import read_table
from distill.engine.stage import Context, Stage, Summary
from distill.metrics.fields import count_by_field
from distill.records.amounts import add_usd
from distill.records.decision import Decision, LookRecord, RuleOutcome
from distill.reports import (
    AskedAgain,
    CurvePoint,
    DroppedSample,
    FieldTally,
    Funnel,
    FunnelStep,
    LearningCurve,
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
from distill.stages.json_files import write_json
from distill.stages.panel_facts import NamedTerms, gather_panel
from distill.stages.report_costs import gather_costs, threshold_of
from distill.stages.report_files import Files, read_files
from distill.stages.report_lineage import gather_lineage, gather_looks
from distill.stages.scoring import read_prediction
from distill.stages.student_alone import judge_student_alone


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What the page says that no stage wrote."""

    name: str
    task: str
    teachers: tuple[NamedTerms, ...]
    student: str
    base: str
    costs: CostsConfig
    price_is_assumption: bool
    seeds: dict[str, int]


def run_report(config: object, context: Context) -> Summary:
    """Write report.html and costs.json.

    Raises:
        StoreError: an input is damaged.
    """
    config = cast("ReportConfig", config)
    files = read_files(context.inputs)
    predictions = read_table(context.inputs["evaluate"] / "predictions.parquet")
    inputs = gather_costs(files, predictions, context.inputs, price_is_assumption=config.price_is_assumption)
    costs = build_costs(inputs, config.costs)
    write_json(context, "costs.json", costs.to_json())
    data = gather_report(config, files, predictions, cast("dict[str, Any]", costs.to_json()), context)
    (context.output_dir / "report.html").write_text(render_report(data), encoding="utf-8")
    return Summary(rows_in=predictions.num_rows, rows_out=1)


def gather_report(
    config: ReportConfig, files: Files, predictions: pa.Table, costs: dict[str, Any], context: Context
) -> ReportData:
    """Put the page's content together."""
    heldout = read_table(context.inputs["sealed"] / "heldout.parquet", ["id", "text"])
    texts = dict(zip(heldout.column("id").to_pylist(), heldout.column("text").to_pylist(), strict=True))
    threshold = threshold_of(files)
    rows = answer_rows(predictions, texts, threshold)
    decision = read_decision(files.gate)
    judged = {rule.of for rule in decision.rules if rule.policy == "block"}
    escalated = [row.escalated for row in rows if row.escalated is not None]
    lineage = gather_lineage(files, context, config.teachers[0].terms, config.seeds)
    return ReportData(
        run=RunFacts(
            name=config.name,
            id=context.key[:12],
            created=files.evaluation["finished"],
            task=config.task,
            teacher=" + ".join(named.name for named in config.teachers),
            student=config.student,
            train_rows=files.training["rows_trained"],
            heldout_rows=files.evaluation["heldout_rows"],
            seconds=sum(stage.seconds for stage in lineage.stages),
            usd=costs["one_off"]["total_usd"],
        ),
        decision=decision,
        scores=read_scores(files.scores),
        rows=rows,
        costs=costs,
        lineage=lineage,
        student_alone=judge_student_alone(decision) if "cascade" in judged else None,
        threshold=threshold,
        escalation_rate=sum(escalated) / len(escalated) if escalated else None,
        reference=files.evaluation["reference"],
        confusion=confusion_of(rows),
        fields=tally_fields(predictions) if config.task == "json" else (),
        calibration=calibration_of(rows),
        learning_curve=None if files.curve is None else read_curve(files.curve),
        training=read_training(files.training),
        funnel=read_funnel(files, context),
        audit=read_audit(files),
        looks=gather_looks(files, context, config.student),
        teachers=gather_panel(files, context.inputs, config.teachers),
        is_rehearsal=bool(files.generate["is_rehearsal"]),
        warnings=(*_filter_warnings(files), *decision.notes),
    )


def tally_fields(predictions: pa.Table) -> tuple[FieldTally, ...]:
    """Count the fields of the student's answers (first repeat), those with most mistakes first."""
    rows = cast("list[dict[str, object]]", predictions.to_pylist())
    said = [read_prediction(row) for row in rows if row["system"] == "student" and row["repeat"] == 0]
    found = [FieldTally(name, n.wanted, n.claims, n.right) for name, n in count_by_field(said).items()]
    return tuple(sorted(found, key=lambda field: (-field.mistakes, field.name)))


def read_decision(gate: dict[str, Any]) -> Decision:
    """Return gate.json's object as a decision."""
    rules = tuple(RuleOutcome(**rule) for rule in gate["rules"])
    looks = None if gate.get("looks") is None else LookRecord(**gate["looks"])
    fields: dict[str, Any] = {**gate, "rules": rules, "notes": tuple(gate.get("notes", ())), "looks": looks}
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


def read_curve(curve: Mapping[str, Any]) -> LearningCurve:
    """Return curve.json's object: measured points, the forecast where one can be made, and why not where it cannot."""
    points = [CurvePoint(p["rows"], p["accuracy"], p.get("low"), p.get("high")) for p in curve["points"]]
    ahead = curve.get("forecast")
    if ahead and ahead.get("accuracy") is not None:
        points.append(CurvePoint(ahead["rows"], ahead["accuracy"], ahead.get("low"), ahead.get("high"), True))
    return LearningCurve(str(curve.get("metric", "accuracy")), tuple(points), str(curve.get("reason") or ""))


def read_funnel(files: Files, context: Context) -> Funnel:
    """Return funnel.json with what was bought before it."""
    bought = read_table(context.inputs["generate"] / "completions.parquet", ["cost_usd"])
    kept = read_table(context.inputs["filter"] / "kept.parquet", ["id"]).num_rows
    steps = tuple(
        FunnelStep(step["filter"], step["reasons"], step["usd_dropped"], tuple(_sample(row) for row in step["samples"]))
        for step in files.funnel
    )
    usd = add_usd([*bought.column("cost_usd").to_pylist(), files.regenerate.get("usd", 0.0)])
    return Funnel(bought.num_rows, kept, steps, usd, _read_again(files.regenerate))


def _read_again(said: Mapping[str, Any]) -> AskedAgain | None:
    if not said.get("asked_rows"):
        return None
    reasons = tuple((row["filter"], row["reason"], row["asked"], row["rescued"]) for row in said["by_reason"])
    return AskedAgain(
        said["asked_rows"], said["answers"], said["rescued"], said["usd"], said["usd_per_rescued"], reasons
    )


def _sample(row: Mapping[str, str]) -> DroppedSample:
    return DroppedSample(row["id"], row["text"], row["answer"], row["reason"], row.get("evidence", ""))


def read_audit(files: Files) -> SplitAudit:
    """Return audit.json's object, with how near counts as near."""
    audit = files.audit
    split = files.records.get("split", {}).get("config", {})
    is_carved = split.get("heldout", {}).get("source") is None
    note = "The held-out set was cut from the same rows: groups and near-duplicates were kept on one side of the cut."
    return SplitAudit(
        exact=audit["overlap_exact"],
        normalised=audit["overlap_normalised"],
        near=audit["overlap_near"],
        removed=audit["leaks_removed_from_train"],
        duplicates_removed=audit["duplicates_removed"],
        near_threshold=split.get("near_duplicate_threshold"),
        leaked=tuple((row["id"], row["where"]) for row in audit["examples_of_leaks"]),
        note=note if is_carved else "",
    )


def _filter_warnings(files: Files) -> tuple[str, ...]:
    return tuple(files.records.get("filter", {}).get("facts", {}).get("warnings", ()))


REPORT = Stage("report", 3, run_report)
