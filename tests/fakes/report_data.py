"""A whole run's report data, made up with a seed over the real ticket texts; for tests and screenshots of the page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from distill.costs import (
    CostInputs,
    CostsConfig,
    HeldoutRow,
    ServingCostConfig,
    TeacherLedger,
    TrainingCostConfig,
    build_costs,
)
from distill.records.decision import Decision, DecisionWord, RuleOutcome
from distill.reports import (
    AnswerRow,
    CurvePoint,
    DroppedSample,
    Funnel,
    FunnelStep,
    LearningCurve,
    Lineage,
    Look,
    ReportData,
    RunFacts,
    SplitAudit,
    StageFacts,
    SystemScore,
    TrainingPoint,
    calibration_of,
    confusion_of,
)

TICKETS = Path(__file__).resolve().parents[2] / "examples" / "tickets"
THRESHOLD = 0.75
MARGIN = 0.02
DIGEST = "9f2c" * 16


def make_rows(count: int = 960, seed: int = 7) -> tuple[AnswerRow, ...]:
    """Answer the tickets with a made-up student that is worse outside English."""
    rng = np.random.default_rng(seed)
    labels = (TICKETS / "labels.txt").read_text(encoding="utf-8").split()
    lines = [json.loads(line) for line in (TICKETS / "heldout.jsonl").read_text(encoding="utf-8").splitlines()]
    return tuple(_row(lines[index % len(lines)], index, labels, rng) for index in range(count))


def _row(line: dict[str, str], index: int, labels: Sequence[str], rng: np.random.Generator) -> AnswerRow:
    is_english = line["language"] == "en"
    confidence = float(rng.beta(4, 1.1) if is_english else rng.beta(1.4, 3))
    right = bool(rng.random() < confidence ** (0.8 if confidence < THRESHOLD else 0.04))
    teacher_right = bool(rng.random() < 0.997)
    gold = line["intent"]
    neighbour = labels[(labels.index(gold) + 1 + int(rng.integers(3))) % len(labels)]
    return AnswerRow(
        id=line["id"] if index < 960 else f"{line['id']}-{index}",
        text=line["text"],
        reference=gold,
        student=gold if right else neighbour,
        teacher=gold if teacher_right else neighbour,
        student_correct=right,
        teacher_correct=teacher_right,
        confidence=confidence,
        escalated=confidence < THRESHOLD,
        slices={"channel": line["channel"], "language": line["language"]},
    )


def served_right(row: AnswerRow) -> bool:
    """Tell whether the cascade answers this row right."""
    return bool(row.teacher_correct) if row.escalated else row.student_correct


def compare(rows: Sequence[AnswerRow], of: str, slice_name: str | None = None) -> RuleOutcome:
    """Compare a system with the teacher (a normal interval will do here)."""
    ours = np.array([served_right(row) if of == "cascade" else row.student_correct for row in rows], float)
    theirs = np.array([bool(row.teacher_correct) for row in rows], float)
    difference = float((ours - theirs).mean())
    half = 1.96 * float((ours - theirs).std()) / math.sqrt(len(rows)) + 1 / len(rows)
    low, high = difference - half, difference + half
    margin = MARGIN if slice_name is None else 0.10
    outcome = "pass" if low > -margin else "fail" if high < -margin else "inconclusive"
    reason = {
        "pass": f"the whole interval lies above -{margin:.2f}",
        "fail": f"the whole interval lies below -{margin:.2f}",
        "inconclusive": f"the interval crosses -{margin:.2f}",
    }
    return RuleOutcome(
        rule=f"accuracy_{of}_versus_teacher",
        metric="accuracy",
        outcome=outcome,
        reason=reason[outcome],
        of=of,
        versus="teacher",
        slice=slice_name,
        student=float(ours.mean()),
        teacher=float(theirs.mean()),
        difference=difference,
        low=low,
        high=high,
        margin=margin,
        n=len(rows),
        p_value=0.0004 if outcome == "pass" else 0.41,
        alpha=0.05,
        power=0.93 if slice_name is None else 0.61,
        needed_n=None if outcome == "pass" else 2 * len(rows),
    )


def make_decision(rows: Sequence[AnswerRow], of: str) -> Decision:
    """Judge a system by all rows and by slice."""
    rules = [compare(rows, of)]
    for name in ("channel", "language"):
        for value in sorted({row.slices[name] for row in rows}):
            members = [row for row in rows if row.slices[name] == value]
            rules.append(compare(members, of, f"{name}={value}"))
    if of == "cascade":
        rules += _other_rules(len(rows))
    outcomes = {rule.outcome for rule in rules if rule.slice is None or of == "student"}
    word: DecisionWord = "hold" if "fail" in outcomes else "inconclusive" if "inconclusive" in outcomes else "promote"
    reason = f"{sum(r.outcome == 'pass' for r in rules)} of {len(rules)} rules pass"
    return Decision(word, reason, tuple(rules), 1, DIGEST, 0.95, "distill 0.1.0")


def _other_rules(n: int) -> list[RuleOutcome]:
    return [
        RuleOutcome(
            rule="failure_rate",
            metric="failure_rate",
            outcome="pass",
            reason="upper bound 0.3% is below 1%",
            of="cascade",
            student=0.0,
            low=0.0,
            high=0.0031,
            max=0.01,
            n=n,
        ),
        RuleOutcome(
            rule="cost_per_1k_usd",
            metric="cost_per_1k_usd",
            outcome="pass",
            reason="29% of the teacher's cost",
            of="cascade",
            versus="teacher",
            student=0.052,
            teacher=0.176,
            max=0.6,
            n=n,
        ),
        RuleOutcome(
            rule="p95_latency_ms",
            metric="p95_latency_ms",
            outcome="pass",
            reason="measured one by one",
            policy="warn",
            student=31.0,
            max=300.0,
            n=200,
        ),
    ]


def make_costs(rows: Sequence[AnswerRow], seed: int = 7) -> dict[str, object]:
    """Price the run with the project's own cost model."""
    rng = np.random.default_rng(seed)
    measured = tuple(
        HeldoutRow(
            student_correct=row.student_correct,
            teacher_correct=row.teacher_correct,
            confidence=row.confidence,
            student_latency_ms=float(rng.gamma(9, 1.4)),
            teacher_latency_ms=float(rng.lognormal(6.4, 0.35)),
            teacher_input_tokens=620,
            teacher_output_tokens=12,
            teacher_cost_usd=float(rng.lognormal(-8.7, 0.3)),
        )
        for row in rows
    )
    ledger = TeacherLedger(
        calls=1926,
        input_tokens=1_204_233,
        cached_input_tokens=402_000,
        output_tokens=23_150,
        usd=0.3391,
        wasted_usd=0.0044,
        discarded_usd=0.0244,
        discarded_calls=138,
        retried_calls=11,
        price_source="$0.25 in and $1.25 out per million tokens",
        price_is_assumption=True,
    )
    inputs = CostInputs(
        teacher=ledger,
        rows=measured,
        throughput_per_s=96.4,
        p50_ms=12.1,
        p95_ms=20.8,
        training_s=212.0,
        evaluation_s=24.0,
        heldout=TeacherLedger(
            calls=960, input_tokens=595_200, output_tokens=11_520, usd=0.162, wasted_usd=0.0012, retried_calls=3
        ),
        threshold=THRESHOLD,
    )
    config = CostsConfig(
        student=ServingCostConfig(usd_per_hour=0.8, utilisation=0.5),
        training=TrainingCostConfig(usd_per_hour=0.8),
        model_share_of_latency=0.7,
        simulations=2000,
    )
    return build_costs(inputs, config).to_json()


def make_scores(rows: Sequence[AnswerRow]) -> tuple[SystemScore, ...]:
    """Score all systems."""
    shares = {
        "student": np.mean([row.student_correct for row in rows]),
        "cascade": np.mean([served_right(row) for row in rows]),
        "teacher": np.mean([bool(row.teacher_correct) for row in rows]),
        "linear_probe": 0.671,
        "majority": 0.05,
    }
    scores: list[SystemScore] = []
    for name, value in shares.items():
        half = 1.96 * math.sqrt(float(value) * (1 - float(value)) / len(rows))
        for metric, shift in (("accuracy", 0.0), ("macro_f1", -0.006)):
            middle = float(value) + shift
            scores.append(SystemScore(name, metric, middle, middle - half, min(1.0, middle + half), len(rows)))
    return tuple(scores)


def make_report_data(count: int = 960, seed: int = 7) -> ReportData:
    """Make the report data of one run: a cascade that passes, a student that alone does not."""
    rows = make_rows(count, seed)
    return ReportData(
        run=RunFacts(
            name="support-ticket-intents",
            id="20261124-003412-4f1c",
            created="2026-11-24T00:34:12+00:00",
            task="one of 20 labels",
            teacher="rehearsal (recorded answers of a large language model)",
            student="all-MiniLM-L6-v2, 22M parameters, LoRA rank 16",
            train_rows=1782,
            heldout_rows=count,
            seconds=268.4,
            usd=0.5533,
        ),
        decision=make_decision(rows, "cascade"),
        student_alone=make_decision(rows, "student"),
        scores=make_scores(rows),
        rows=rows,
        costs=make_costs(rows, seed),
        lineage=make_lineage(),
        threshold=THRESHOLD,
        escalation_rate=float(np.mean([bool(row.escalated) for row in rows])),
        confusion=confusion_of(rows),
        calibration=calibration_of(rows),
        learning_curve=make_learning_curve(),
        training=tuple(
            TrainingPoint(step, 2.9 * math.exp(-step / 140) + 0.2, 2.8 * math.exp(-step / 150) + 0.34)
            for step in range(0, 601, 60)
        ),
        funnel=make_funnel(rows),
        audit=SplitAudit(1, 2, 5, 8, duplicates_removed=11, near_threshold=0.8),
        looks=(Look(1, "2026-11-24T00:34:12+00:00", "1f9a33c0d2", "promote"),),
        is_rehearsal=True,
        assumptions=("the teacher's price is taken from a price list of a comparable model",),
        warnings=("the slice language=it has 24 rows, fewer than 50: it stays open",),
    )


def make_learning_curve() -> LearningCurve:
    """Make a learning curve with one forecast point."""
    sizes, values = (110, 220, 445, 890, 1782), (0.41, 0.52, 0.61, 0.682, 0.728)
    measured = [CurvePoint(n, v, v - 0.03, v + 0.03) for n, v in zip(sizes, values, strict=True)]
    forecast = CurvePoint(3564, 0.757, 0.72, 0.79, is_forecast=True)
    note = "Twice the rows would bring about 3 points more; accuracy is still rising."
    return LearningCurve("accuracy", (*measured, forecast), note)


def make_funnel(rows: Sequence[AnswerRow]) -> Funnel:
    """Make a funnel with samples."""
    sample = DroppedSample(
        rows[0].id, rows[0].text, "I'm sorry, I can't help with that.", "refusal", "matched: I can't"
    )
    steps = (
        FunnelStep("parseable", {"unknown_label": 14, "empty": 3}, 0.0031, (replace(sample, reason="unknown_label"),)),
        FunnelStep("finished", {}),
        FunnelStep("not_refusal", {"refusal": 9}, 0.0016, (sample,)),
        FunnelStep("near_duplicate", {"near_duplicate": 112}, 0.0197),
    )
    return Funnel(1920, 1782, steps, 0.3391)


def make_lineage() -> Lineage:
    """Make a lineage."""
    names = ("ingest", "split", "generate", "filter", "train", "evaluate", "gate", "report")
    stages = tuple(
        StageFacts(
            name,
            f"{index}a7c" * 16,
            "2026-11-24T00:30:00+00:00",
            1,
            1920,
            1900,
            0.4 + 31 * (name == "train"),
            0.3391 if index == 2 else None,
        )
        for index, name in enumerate(names)
    )
    return Lineage(
        stages=stages,
        commit="cbd198f0a6e1",
        versions={"python": "3.11.2", "torch": "2.13.0+cpu", "peft": "0.21.0", "distill": "0.1.0"},
        seeds={"student": 7, "split": 0},
        hashes={"held-out": DIGEST, "training table": "77ab" * 16, "adapter": "0c1d" * 16},
        licences=(("all-MiniLM-L6-v2", "Apache-2.0"), ("tickets", "Apache-2.0 (this project's own)")),
        terms="allowed",
        terms_source="the project's own data",
        machine="Linux x86_64, 2 cores",
        model_served="rehearsal",
    )
