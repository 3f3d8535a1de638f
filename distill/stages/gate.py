"""Gate: judge the evaluation by the rules; write gate.json and scores.json. The only place where a verdict is made."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from distill.costs.config import CostsConfig
from distill.engine.fingerprint import Plain
from distill.engine.parquet import read_table
from distill.engine.stage import Context, Stage, Summary
from distill.errors import StoreError
from distill.gates import Evidence, Measured, alpha_of, decide
from distill.gates.config import GateConfig
from distill.gates.validity import find_problems
from distill.metrics import COLD, GATE_METRICS, METRICS, default_metrics
from distill.records.prediction import Prediction
from distill.stages.gate_scores import foresee_thresholds, measure_costs, score_systems
from distill.stages.json_files import write_json
from distill.stages.looks import Judging, count_evaluations, count_rules
from distill.stages.scoring import read_prediction
from distill.students.protocol import PARITY_FILE
from distill.tasks.config import OutputKind


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
        OSError: the ledger of looks cannot be written.
    """
    config = cast("GateStageConfig", config)
    source = context.inputs["evaluate"]
    rows = cast("list[dict[str, object]]", read_table(source / "predictions.parquet").to_pylist())
    by_system: dict[str, list[Prediction]] = defaultdict(list)
    for row in rows:
        by_system[cast("str", row["system"])].append(read_prediction(row))
    evaluation = cast("dict[str, Any]", json.loads((source / "evaluation.json").read_text(encoding="utf-8")))
    parity = read_parity(source)
    first = gather_evidence(by_system, evaluation, {}, config, parity, Judging(evaluation["look"]))
    judging = number_look(first, evaluation, source.name, config.gate, context.state_dir)
    costs = measure_costs(by_system, evaluation, config.costs)
    confidence = 1 - alpha_of(judging.look, config.allowed_looks, config.gate)
    bounded = measure_costs(by_system, evaluation, config.costs, confidence)
    evidence = gather_evidence(by_system, evaluation, bounded, config, parity, judging)
    decision = decide(evidence, config.gate)
    scores = score_systems(evidence, config.metrics or default_metrics(config.output), costs, evaluation)
    teacher = [p for p in by_system.get("teacher", ()) if p.repeat == 0]
    scores["thresholds"] = foresee_thresholds(evaluation, costs, METRICS["accuracy"].aggregate(teacher))
    write_json(context, "gate.json", asdict(decision))
    write_json(context, "scores.json", scores)
    facts: dict[str, Plain] = {"decision": decision.decision}
    return Summary(rows_in=len(rows), rows_out=len(decision.rules), facts=facts)


def number_look(
    evidence: Evidence, evaluation: Mapping[str, Any], key: str, gate: GateConfig, state_dir: Path
) -> Judging:
    """Return which look at the held-out set this verdict is; rules take none in a rehearsal or unless they are asked.

    Raises:
        OSError: the ledger of looks cannot be written.
    """
    look, digest = cast("int", evaluation["look"]), cast("str", evaluation["heldout_digest"])
    if evaluation.get("is_rehearsal", False):
        return Judging(look)
    asked = not find_problems(evidence, gate)
    judging = count_rules(state_dir, digest, key, look, gate) if asked else Judging(look)
    return judging._replace(evaluations=count_evaluations(state_dir, digest, judging.look))


def gather_evidence(
    by_system: Mapping[str, Sequence[Prediction]],
    evaluation: Mapping[str, Any],
    costs: Mapping[str, Measured],
    config: GateStageConfig,
    parity: Mapping[str, Measured],
    judging: Judging,
) -> Evidence:
    """Put together what the rules are asked about."""
    agreement = cast("Mapping[str, float] | None", evaluation.get("self_agreement"))
    return Evidence(
        expected=evaluation["expected"],
        predictions={name: tuple(predictions) for name, predictions in by_system.items()},
        metrics=GATE_METRICS,
        samples={name: {"student": starts} for name in COLD} if (starts := evaluation.get("cold_starts_ms")) else {},
        measured={"cost_per_1k_usd": dict(costs), "parity": parity},
        reference=evaluation["reference"],
        self_agreement=None if agreement is None else agreement["rate"],
        look=judging.look,
        evaluations=judging.evaluations,
        allowed_looks=config.allowed_looks,
        heldout_digest=evaluation["heldout_digest"],
        problems=tuple(evaluation["problems"]),
        remarks=(*say_changes(judging), *evaluation.get("remarks", ())),
        labels=config.labels,
        channels=config.channels,
    )


def say_changes(judging: Judging) -> tuple[str, ...]:
    """Say aloud that the rules were changed when it was known how this student does by others."""
    if not judging.changes:
        return ()
    return (
        "the rules were changed after this student had been judged on these rows, so this counts as a further look: "
        + "; ".join(judging.changes[:5]),
    )


def read_parity(evaluated: Path) -> dict[str, Measured]:
    """Return the lowest agreement of the served forms with the trained student; unknown without evidence.

    Every prompt of the probe was held against it, so the number has no spread. The cascade serves the same student.

    Raises:
        StoreError: the evidence is damaged.
    """
    path = evaluated / "student" / PARITY_FILE
    try:
        forms = json.loads(path.read_text(encoding="utf-8"))["forms"]
        lowest = min((float(form["agreement"]) for form in forms if form["prompts"] > 0), default=None)
    except FileNotFoundError:
        lowest = None
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} is damaged: {error}; run again with --from train") from error
    return dict.fromkeys(("student", "cascade"), Measured(lowest, lowest, lowest))


GATE = Stage("gate", 8, run_gate)
