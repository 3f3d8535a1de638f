"""What stands beside the numbers: the assumptions they rest on, and a warning for each one that is missing."""

from __future__ import annotations

from collections.abc import Sequence

from distill.costs.breakeven import INTERVAL_SIGMA, RATE_SIGMA, BreakEven
from distill.costs.config import CostsConfig
from distill.costs.inputs import CostInputs
from distill.costs.ledger import TeacherLedger
from distill.costs.model import TeacherCosts
from distill.records.amounts import add_usd


def list_assumptions(inputs: CostInputs, config: CostsConfig) -> tuple[str, ...]:
    """Say what is stated and not measured, one line each."""
    lines = [f"traffic: {config.requests_per_day:,.0f} requests a day"]
    for one in (inputs.teacher, *inputs.others):
        whose = f"price of {one.name}" if inputs.others else "teacher's price"
        if one.price_is_assumption:
            lines.append(f"{whose} is an assumption, not a bill{_name_source(one)}")
        elif one.price_source:
            lines.append(f"{whose}: {one.price_source}")
    lines += _assume_unbilled((inputs.teacher, *inputs.others, inputs.heldout))
    if config.student.usd_per_hour is not None:
        lines.append(
            f"serving machine: ${config.student.usd_per_hour:,.2f} an hour, busy {config.student.utilisation:.0%} of "
            "the time paid, at the measured throughput"
        )
    if config.training.usd_per_hour is not None:
        lines.append(f"training machine: ${config.training.usd_per_hour:,.2f} an hour, at the measured time")
    if config.audit_rate:
        lines.append(f"monitoring: the teacher is asked again about {config.audit_rate:.2%} of the student's answers")
    lines.append(
        f"the model is {config.model_share_of_latency:.0%} of the latency that the caller sees "
        "(costs.model_share_of_latency)"
    )
    lines.append(_assume_renewal(config))
    lines.append(_describe_band(config))
    return tuple(lines)


def _name_source(bought: TeacherLedger) -> str:
    return "" if bought.price_source in ("", "assumption") else f": {bought.price_source}"


def _assume_unbilled(bought: Sequence[TeacherLedger]) -> list[str]:
    """Say that calls of killed processes are taken for unbilled, and what they would come to at the mean price."""
    lost = [one for one in bought if one.outcome_unknown]
    if not lost:
        return []
    prices = [None if one.usd is None or not one.calls else one.usd / one.calls * one.outcome_unknown for one in lost]
    usd = add_usd(prices)
    return [
        f"at most {sum(one.outcome_unknown for one in lost):,} calls were under way when a process was killed: whether "
        "they were paid is unknown, and no sum here has them"
        + ("" if usd is None else f" (at most ${usd:,.4f} at the mean price of a call)")
    ]


def _assume_renewal(config: CostsConfig) -> str:
    if config.redistil_every_days is None:
        return "the student is distilled once; no renewal is counted (costs.redistil_every_days)"
    return f"the student is distilled anew every {config.redistil_every_days:,.0f} days, at the same cost each time"


def _describe_band(config: CostsConfig) -> str:
    renewal = "" if config.redistil_every_days is None else f", days between renewals (log-normal, {INTERVAL_SIGMA:g})"
    return (
        f"band of the break-even: 5th to 95th percentile of {config.simulations:,} draws over token lengths (bootstrap "
        f"of the held-out answers), the machine's price (log-normal, sigma {RATE_SIGMA:g}), utilisation (half to one "
        f"and a half times the stated), the escalation rate (its posterior){renewal}"
    )


def list_warnings(
    inputs: CostInputs, config: CostsConfig, teacher: TeacherCosts, break_even: BreakEven
) -> tuple[str, ...]:
    """Say what is unknown and how to make it known; a number that is None always has its line here."""
    found = {
        "teacher's price unknown: set teacher.price": teacher.per_1k_usd is None,
        "teacher's spend unknown: some answers have no price": any(
            one.usd is None for one in (inputs.teacher, *inputs.others)
        ),
        "teacher's spend on the held-out set unknown: some answers have no price": inputs.heldout.usd is None,
        "spend on models or judges beside the teacher unknown: state their prices (input_usd, output_usd)": any(
            entry.usd is None for entry in inputs.extra
        ),
        "student's price unknown: set costs.student.usd_per_hour": config.student.usd_per_hour is None,
        "training cost unknown: set costs.training.usd_per_hour": config.training.usd_per_hour is None,
        "student's throughput was not measured": inputs.throughput_per_s is None,
        "training time was not measured": inputs.training_s is None,
        "teacher's latency unknown: its answers were recorded, not timed": teacher.p50_ms is None,
        f"{_count_estimated(inputs)} teacher calls reported no tokens; counts are estimated": (
            _count_estimated(inputs) > 0
        ),
        "price per request is the training answers' mean: held-out answers carry no price": (
            teacher.per_1k_usd is not None and any(row.teacher_cost_usd is None for row in inputs.rows)
        ),
        f"break-even {break_even.reason}": break_even.state == "unknown",
    }
    return (*inputs.warnings, *(text for text, is_so in found.items() if is_so))


def _count_estimated(inputs: CostInputs) -> int:
    return sum(one.estimated_calls for one in (inputs.teacher, *inputs.others, inputs.heldout))
