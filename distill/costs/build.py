"""Puts the costs of a run together from what was measured and what the config states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distill.costs.breakeven import BAND, Economics, compute_break_even
from distill.costs.cascade import cascade_curve, is_escalated, measure_cascade
from distill.costs.config import CostsConfig
from distill.costs.inputs import CostInputs
from distill.costs.lines import list_ledger
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
from distill.costs.remarks import list_assumptions, list_warnings
from distill.costs.serving import (
    DAYS_PER_MONTH,
    HOURS_PER_DAY,
    amdahl_speedup,
    compute_usd,
    cost_per_success_usd,
    count_machines,
    student_cost_per_1k_usd,
)
from distill.records.amounts import add_usd

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
        total_cost=_total_cost(monthly, one_off, config),
        latency=_latency(teacher, student, cascade, config),
        cascade_curve=cascade_curve(inputs.rows, student.per_1k_usd, teacher.per_1k_usd),
        ledger=list_ledger(inputs, one_off, monthly, config),
        assumptions=list_assumptions(inputs, config),
        warnings=list_warnings(inputs, config, teacher, break_even),
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
        threshold=point.threshold,
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
    training = compute_usd(inputs.training_s, config)
    once = [entry for entry in inputs.extra if entry.per == "run"]
    asked = [entry.usd for entry in once if entry.stage == "evaluate"]
    evaluation = add_usd([compute_usd(inputs.evaluation_s, config), inputs.heldout.usd, *asked])
    judge = add_usd([entry.usd for entry in once if entry.stage != "evaluate"])
    data = add_usd([one.usd for one in (inputs.teacher, *inputs.others)])
    total = add_usd([data, training, evaluation, judge])
    return OneOffCosts(data, training, evaluation, total, judge, inputs.paid_usd)


def _monthly(
    teacher: TeacherCosts, student: StudentCosts, cascade: CascadeCosts | None, config: CostsConfig
) -> MonthlyCosts:
    requests = config.requests_per_day * DAYS_PER_MONTH
    teacher_usd, student_usd = _per_month(teacher.per_1k_usd, requests), _per_month(student.per_1k_usd, requests)
    cascade_usd = None if cascade is None else _per_month(cascade.per_1k_usd, requests)
    served = student_usd if cascade is None else cascade_usd
    kept = 1.0 if cascade is None else 1 - cascade.escalation_rate
    audit_usd = None if teacher_usd is None else teacher_usd * kept * config.audit_rate
    system_usd = add_usd([served, audit_usd if config.audit_rate else 0.0])
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
        audit_usd=audit_usd,
        system_usd=system_usd,
        saving_usd=None if teacher_usd is None or system_usd is None else teacher_usd - system_usd,
        machines=machines,
        dedicated_usd=dedicated,
    )


def _per_month(per_1k_usd: float | None, requests: float) -> float | None:
    return None if per_1k_usd is None else per_1k_usd * requests / 1000


def _total_cost(monthly: MonthlyCosts, one_off: OneOffCosts, config: CostsConfig) -> TotalCost:
    interval = config.redistil_every_days
    distillations = 1 if interval is None else math.ceil(TCO_DAYS / interval)
    months = TCO_DAYS / DAYS_PER_MONTH
    system = None
    if one_off.total_usd is not None and monthly.system_usd is not None:
        system = one_off.total_usd * distillations + monthly.system_usd * months
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
