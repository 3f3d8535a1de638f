"""The ledger's lines: every dollar of a run by stage and kind, and what serving would cost each month."""

from __future__ import annotations

from distill.costs.config import CostsConfig
from distill.costs.inputs import CostInputs
from distill.costs.ledger import LedgerEntry, TeacherLedger
from distill.costs.model import MonthlyCosts, OneOffCosts
from distill.costs.serving import compute_usd


def list_ledger(
    inputs: CostInputs, one_off: OneOffCosts, monthly: MonthlyCosts, config: CostsConfig
) -> tuple[LedgerEntry, ...]:
    """Return the lines; those paid once add up to `one_off.total_usd`, those paid monthly to `monthly.system_usd`."""
    return (
        *(line for one in (inputs.teacher, *inputs.others) for line in _training_lines(one, inputs)),
        *(entry for entry in inputs.extra if entry.per == "run"),
        LedgerEntry(
            "train", "training", one_off.training_usd, _say_seconds(inputs.training_s), seconds=inputs.training_s
        ),
        *_teacher_lines("evaluate", inputs.heldout, "teacher answers on the held-out set"),
        LedgerEntry(
            "evaluate",
            "evaluation",
            compute_usd(inputs.evaluation_s, config),
            _say_seconds(inputs.evaluation_s),
            seconds=inputs.evaluation_s,
        ),
        *_serving_lines(monthly, config, is_cascade=inputs.threshold is not None),
    )


def _training_lines(bought: TeacherLedger, inputs: CostInputs) -> list[LedgerEntry]:
    whose = f"answers of {bought.name}" if inputs.others else "teacher answers"
    return _teacher_lines("generate", bought, f"{whose} kept for training")


def _teacher_lines(stage: str, bought: TeacherLedger, note: str) -> list[LedgerEntry]:
    used = None
    if bought.usd is not None and bought.discarded_usd is not None:
        used = bought.usd - (bought.wasted_usd or 0.0) - bought.discarded_usd
    lines = [
        LedgerEntry(
            stage,
            "teacher",
            used,
            note,
            calls=bought.calls - bought.discarded_calls,
            input_tokens=bought.input_tokens,
            cached_input_tokens=bought.cached_input_tokens,
            output_tokens=bought.output_tokens,
            is_estimated=bought.estimated_calls > 0,
        )
    ]
    if bought.discarded_calls:
        note = "answers that a filter dropped (their tokens are in the line above)"
        lines.append(LedgerEntry(stage, "discarded", bought.discarded_usd, note, calls=bought.discarded_calls))
    note = "attempts that were retried or brought nothing usable"
    lines.append(LedgerEntry(stage, "retried", bought.wasted_usd, note, calls=bought.retried_calls))
    return lines


def _serving_lines(monthly: MonthlyCosts, config: CostsConfig, *, is_cascade: bool) -> list[LedgerEntry]:
    lines = [LedgerEntry("serve", "serving", monthly.student_usd, "the student's machine, by use", per="month")]
    if is_cascade:
        fallback = None
        if monthly.cascade_usd is not None and monthly.student_usd is not None:
            fallback = monthly.cascade_usd - monthly.student_usd
        lines.append(LedgerEntry("serve", "fallback", fallback, "requests handed to the teacher", per="month"))
    if config.audit_rate:
        note = f"{config.audit_rate:.2%} of the student's answers asked of the teacher again"
        lines.append(LedgerEntry("monitor", "monitoring", monthly.audit_usd, note, per="month"))
    return lines


def _say_seconds(seconds: float | None) -> str:
    return "machine time not measured" if seconds is None else f"{seconds:,.0f} s of machine time at the stated rate"
