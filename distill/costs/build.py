"""Puts the costs of a run together from what was measured and what the config states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distill.costs.breakeven import BAND, BreakEven, Economics, compute_break_even
from distill.costs.cascade import cascade_curve, is_escalated, measure_cascade
from distill.costs.config import CostsConfig
from distill.costs.inputs import CostInputs
from distill.costs.ledger import LedgerEntry, add_usd
from distill.costs.model import (
    CascadeCosts,
    Costs,
    LatencyComparison,
    MonthlyCosts,
    OneOffCosts,
    StudentCosts,
    TeacherCosts,
    TotalCost,
)
from distill.costs.serving import (
    DAYS_PER_MONTH,
    HOURS_PER_DAY,
    SECONDS_PER_HOUR,
    amdahl_speedup,
    cost_per_success_usd,
    count_machines,
    student_cost_per_1k_usd,
)

TCO_DAYS = 365.25
BOOTSTRAP_DRAWS = 2000


def build_costs(inputs: CostInputs, config: CostsConfig) -> Costs:
    """Compute every figure of costs.json; what is unknown is None, with a warning that says what is missing.

    Deterministic under `config.seed`.
    """
    teacher = _teacher(inputs, config)
    student = _student(inputs, config)
    cascade = _cascade(inputs, student, teacher)
    one_off = _one_off(inputs, config)
    alone = Economics(one_off.total_usd, _teacher_prices(inputs), inputs.throughput_per_s, 0, len(inputs.rows))
    break_even_student = compute_break_even(alone, config)
    break_even = break_even_student
    if cascade is not None:
        escalated = sum(is_escalated(row, inputs.threshold) for row in inputs.rows)
        break_even = compute_break_even(replace(alone, escalated=escalated), config)
    monthly = _monthly(teacher, student, cascade, config)
    return Costs(
        system="student" if cascade is None else "cascade",
        teacher=teacher,
        student=student,
        cascade=cascade,
        one_off=one_off,
        break_even=break_even,
        break_even_student=break_even_student,
        monthly=monthly,
        total_cost=_total_cost(monthly, one_off, cascade, config),
        latency=_latency(teacher, student, cascade, config),
        cascade_curve=cascade_curve(inputs.rows, student.per_1k_usd, teacher.per_1k_usd),
        ledger=_ledger(inputs, one_off, monthly, cascade, config),
        assumptions=_assumptions(inputs, config),
        warnings=_warnings(inputs, config, teacher, break_even),
    )


def _teacher_prices(inputs: CostInputs) -> tuple[float, ...]:
    prices = [row.teacher_cost_usd for row in inputs.rows]
    known = tuple(price for price in prices if price is not None)
    if known and len(known) == len(prices):
        return known
    if inputs.teacher.usd is not None and inputs.teacher.calls > 0:
        return (inputs.teacher.usd / inputs.teacher.calls,)
    return ()


def _teacher(inputs: CostInputs, config: CostsConfig) -> TeacherCosts:
    ledger, prices = inputs.teacher, np.array(_teacher_prices(inputs))
    per_1k = float(prices.mean()) * 1000 if len(prices) else None
    low = high = None
    if len(prices) > 1:
        rng = np.random.default_rng(config.seed)
        weights = rng.standard_exponential((BOOTSTRAP_DRAWS, len(prices)))
        means = weights @ prices / weights.sum(axis=1)
        low, high = (float(value) * 1000 for value in np.percentile(means, BAND))
    accuracy = _accuracy([row.teacher_correct for row in inputs.rows])
    p50, p95 = _percentiles([row.teacher_latency_ms for row in inputs.rows])
    return TeacherCosts(
        calls=ledger.calls,
        input_tokens=ledger.input_tokens,
        cached_input_tokens=ledger.cached_input_tokens,
        output_tokens=ledger.output_tokens,
        usd=ledger.usd,
        wasted_usd=ledger.wasted_usd,
        estimated_calls=ledger.estimated_calls,
        price_source=ledger.price_source,
        price_is_assumption=ledger.price_is_assumption,
        per_1k_usd=per_1k,
        per_1k_low_usd=low,
        per_1k_high_usd=high,
        per_success_usd=cost_per_success_usd(per_1k, accuracy),
        accuracy=accuracy,
        p50_ms=p50,
        p95_ms=p95,
    )


def _student(inputs: CostInputs, config: CostsConfig) -> StudentCosts:
    accuracy = _accuracy([row.student_correct for row in inputs.rows])
    per_1k = student_cost_per_1k_usd(inputs.throughput_per_s, config.student)
    p50, p95 = _percentiles([row.student_latency_ms for row in inputs.rows])
    return StudentCosts(
        per_1k_usd=per_1k,
        per_success_usd=cost_per_success_usd(per_1k, accuracy),
        accuracy=accuracy,
        throughput_per_s=inputs.throughput_per_s,
        p50_ms=p50 if inputs.p50_ms is None else inputs.p50_ms,
        p95_ms=p95 if inputs.p95_ms is None else inputs.p95_ms,
        usd_per_hour=config.student.usd_per_hour,
        utilisation=config.student.utilisation,
    )


def _cascade(inputs: CostInputs, student: StudentCosts, teacher: TeacherCosts) -> CascadeCosts | None:
    if inputs.threshold is None or not inputs.rows:
        return None
    point = measure_cascade(inputs.rows, inputs.threshold, student.per_1k_usd, teacher.per_1k_usd)
    return CascadeCosts(
        threshold=inputs.threshold,
        escalation_rate=point.escalation_rate,
        per_1k_usd=point.per_1k_usd,
        per_success_usd=cost_per_success_usd(point.per_1k_usd, point.accuracy),
        accuracy=point.accuracy,
        p50_ms=point.p50_ms,
        p95_ms=point.p95_ms,
    )


def _accuracy(right: Sequence[bool | None]) -> float | None:
    known = [value for value in right if value is not None]
    return sum(known) / len(known) if known and len(known) == len(right) else None


def _percentiles(latencies_ms: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in latencies_ms if value is not None]
    if not known or len(known) < len(latencies_ms):
        return None, None
    p50, p95 = np.percentile(known, (50, 95))
    return float(p50), float(p95)


def _one_off(inputs: CostInputs, config: CostsConfig) -> OneOffCosts:
    training = _compute_usd(inputs.training_s, config)
    judged = [entry.usd for entry in inputs.extra if entry.per == "run"]
    evaluation = add_usd([_compute_usd(inputs.evaluation_s, config), inputs.evaluation_teacher_usd, *judged])
    total = add_usd([inputs.teacher.usd, training, evaluation])
    return OneOffCosts(inputs.teacher.usd, training, evaluation, total)


def _compute_usd(seconds: float | None, config: CostsConfig) -> float | None:
    if seconds is None or config.training.usd_per_hour is None:
        return None
    return seconds / SECONDS_PER_HOUR * config.training.usd_per_hour


def _monthly(
    teacher: TeacherCosts, student: StudentCosts, cascade: CascadeCosts | None, config: CostsConfig
) -> MonthlyCosts:
    requests = config.requests_per_day * DAYS_PER_MONTH
    teacher_usd, student_usd = _per_month(teacher.per_1k_usd, requests), _per_month(student.per_1k_usd, requests)
    cascade_usd = None if cascade is None else _per_month(cascade.per_1k_usd, requests)
    served = student_usd if cascade is None else cascade_usd
    machines = dedicated = None
    if student.throughput_per_s:
        machines = count_machines(config.requests_per_day, student.throughput_per_s, student.utilisation)
        if student.usd_per_hour is not None:
            dedicated = machines * student.usd_per_hour * HOURS_PER_DAY * DAYS_PER_MONTH
    return MonthlyCosts(
        requests=requests,
        teacher_usd=teacher_usd,
        student_usd=student_usd,
        cascade_usd=cascade_usd,
        saving_usd=None if teacher_usd is None or served is None else teacher_usd - served,
        machines=machines,
        dedicated_usd=dedicated,
    )


def _per_month(per_1k_usd: float | None, requests: float) -> float | None:
    return None if per_1k_usd is None else per_1k_usd * requests / 1000


def _total_cost(
    monthly: MonthlyCosts, one_off: OneOffCosts, cascade: CascadeCosts | None, config: CostsConfig
) -> TotalCost:
    interval = config.redistil_every_days
    distillations = 1 if interval is None else math.ceil(TCO_DAYS / interval)
    months = TCO_DAYS / DAYS_PER_MONTH
    served = monthly.student_usd if cascade is None else monthly.cascade_usd
    system = None
    if one_off.total_usd is not None and served is not None:
        system = one_off.total_usd * distillations + served * months
    teacher = None if monthly.teacher_usd is None else monthly.teacher_usd * months
    return TotalCost(days=TCO_DAYS, distillations=distillations, teacher_usd=teacher, system_usd=system)


def _latency(
    teacher: TeacherCosts, student: StudentCosts, cascade: CascadeCosts | None, config: CostsConfig
) -> LatencyComparison:
    share = config.model_share_of_latency
    served_ms = student.p50_ms if cascade is None else cascade.p50_ms
    if not teacher.p50_ms or not served_ms:
        return LatencyComparison(share, None, None, None if share == 1 else 1 / (1 - share))
    speedup = amdahl_speedup(teacher.p50_ms, served_ms, share)
    return LatencyComparison(share, speedup.model, speedup.end_to_end, speedup.bound)


def _ledger(
    inputs: CostInputs, one_off: OneOffCosts, monthly: MonthlyCosts, cascade: CascadeCosts | None, config: CostsConfig
) -> tuple[LedgerEntry, ...]:
    bought, is_estimated = inputs.teacher, inputs.teacher.estimated_calls > 0
    kept = None if bought.usd is None else bought.usd - (bought.wasted_usd or 0.0)
    tested = inputs.evaluation_teacher_usd
    machine = _compute_usd(inputs.evaluation_s, config)
    lines = [
        LedgerEntry("generate", "teacher", kept, "teacher answers", calls=bought.calls, is_estimated=is_estimated),
        LedgerEntry("generate", "wasted", bought.wasted_usd, "calls retried, failed or thrown away"),
        LedgerEntry("train", "training", one_off.training_usd, _seconds_note(inputs.training_s)),
        LedgerEntry("evaluate", "evaluation", machine, _seconds_note(inputs.evaluation_s)),
        LedgerEntry("evaluate", "teacher", tested, "teacher answers on held-out"),
        *inputs.extra,
        LedgerEntry("serve", "serving", monthly.student_usd, "student machine, by use", per="month"),
    ]
    if cascade is not None:
        fallback = None
        if monthly.cascade_usd is not None and monthly.student_usd is not None:
            fallback = monthly.cascade_usd - monthly.student_usd
        lines.append(LedgerEntry("serve", "fallback", fallback, "requests handed to the teacher", per="month"))
    return tuple(lines)


def _seconds_note(seconds: float | None) -> str:
    return "machine time not measured" if seconds is None else f"{seconds:,.0f} s of machine time"


def _assumptions(inputs: CostInputs, config: CostsConfig) -> tuple[str, ...]:
    lines = [f"traffic: {config.requests_per_day:,.0f} requests a day"]
    if inputs.teacher.price_is_assumption:
        lines.append(f"teacher's price is an assumption, not a bill: {inputs.teacher.price_source or 'as configured'}")
    elif inputs.teacher.price_source:
        lines.append(f"teacher's price: {inputs.teacher.price_source}")
    if config.student.usd_per_hour is not None:
        lines.append(
            f"serving machine: ${config.student.usd_per_hour:,.2f} an hour, busy {config.student.utilisation:.0%} of "
            "the time paid, at the measured throughput"
        )
    if config.training.usd_per_hour is not None:
        lines.append(f"training machine: ${config.training.usd_per_hour:,.2f} an hour, at the measured time")
    lines.append(_renewal_assumption(config))
    lines.append(
        "band: 5th to 95th percentile of "
        f"{config.simulations:,} draws over token lengths, machine price (±15%), utilisation, escalation, renewal"
    )
    return tuple(lines)


def _renewal_assumption(config: CostsConfig) -> str:
    if config.redistil_every_days is None:
        return "the student is distilled once; no renewal is counted"
    return f"the student is distilled anew every {config.redistil_every_days:,.0f} days, at the same cost each time"


def _warnings(inputs: CostInputs, config: CostsConfig, teacher: TeacherCosts, break_even: BreakEven) -> tuple[str, ...]:
    found = {
        "teacher's price unknown: set teacher.price": teacher.per_1k_usd is None,
        "teacher's spend unknown: some answers have no price": inputs.teacher.usd is None,
        "student's price unknown: set costs.student.usd_per_hour": config.student.usd_per_hour is None,
        "training cost unknown: set costs.training.usd_per_hour": config.training.usd_per_hour is None,
        "student's throughput was not measured": inputs.throughput_per_s is None,
        "training time was not measured": inputs.training_s is None,
        "teacher's latency unknown: its answers were recorded, not timed": teacher.p50_ms is None,
        f"{inputs.teacher.estimated_calls} teacher calls reported no tokens; counts are estimated": (
            inputs.teacher.estimated_calls > 0
        ),
        "price per request is the training answers' mean: held-out answers carry no price": (
            teacher.per_1k_usd is not None and any(row.teacher_cost_usd is None for row in inputs.rows)
        ),
        f"break-even {break_even.reason}": break_even.state == "unknown",
    }
    return (*inputs.warnings, *(text for text, is_so in found.items() if is_so))
