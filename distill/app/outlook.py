"""What `plan` foresees: which stages run and why, calls, dollars and time, and what the gate could decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from distill.app.composition import Composition
from distill.app.estimate import Spending, estimate_spending
from distill.app.execute import forecast_run
from distill.app.overlap import audit_overlap, find_impossible_gates
from distill.app.power import plan_power
from distill.app.purse import BudgetLeft, read_budget
from distill.engine.runner import Forecast
from distill.filters import RegenerateConfig
from distill.teachers import OPENAI_URL, TeacherConfig


class AskingAgain(NamedTuple):
    """What sending rejected answers back would cost at most, for each percent of answers that is rejected.

    How many will be, nobody knows before; a further answer is priced as a first one (None: unknown, or all are paid).
    """

    max_attempts: int
    calls_per_percent: int
    usd_high_per_percent: float | None

    def describe(self) -> str:
        """Say it in one line."""
        high = self.usd_high_per_percent
        usd = "" if high is None else f", ${high:.4f}"
        return (
            f"asking again: for each percent of answers that is rejected, at most {self.calls_per_percent} further "
            f"calls{usd} ({self.max_attempts} per answer)"
        )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What `plan` prints."""

    stages: tuple[Forecast, ...]
    spending: Spending
    power: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]
    destination: str
    overlap: dict[str, Any] | None = None
    days_to_sunset: int | None = None
    """Days until the teacher is switched off, where `teacher.sunset` states the day; 0 or less: it is off."""
    budget: BudgetLeft | None = None
    """None where there is no budget."""
    again: AskingAgain | None = None
    """None where rejected answers are not sent back."""

    def to_json(self) -> dict[str, Any]:
        """Return the contract's plan object."""
        cost = {"low": self.spending.usd_low, "high": self.spending.usd_high}
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "cost_usd": cost,
            "calls": self.spending.calls,
            "journal_hits": self.spending.journal_hits,
            "input_tokens": self.spending.input_tokens,
            "teacher_seconds": round(self.spending.seconds, 1),
            "power": list(self.power),
            "warnings": list(self.warnings),
            "destination": self.destination,
            "overlap": self.overlap,
            "days_to_sunset": self.days_to_sunset,
            "regenerate": None if self.again is None else self.again._asdict(),
            "budget": None if self.budget is None else self.budget._asdict(),
        }

    def describe_spending(self) -> str:
        """Say in one line what the teacher would cost."""
        low, high = self.spending.usd_low, self.spending.usd_high
        usd = "unknown price" if low is None or high is None else f"${low:.4f} to ${high:.4f}"
        return (
            f"teacher: {self.spending.calls} calls ({self.spending.journal_hits} answers already paid), {usd}, "
            f"about {self.spending.seconds:.0f} s{'' if self.budget is None else f'; {self.budget.describe()}'}"
        )


def look_ahead(composition: Composition, config_warnings: Sequence[str]) -> Outlook:
    """Foresee a run; reads data and journal, sends nothing.

    Raises:
        DataError: a source cannot be read.
    """
    spending = estimate_spending(composition)
    power, warnings = foresee_power(composition, spending.heldout_rows)
    stages = tuple(forecast_run(composition))
    audit = audit_overlap(composition)
    shared = None if audit is None else audit.describe()
    teacher = composition.config.teacher
    days_left = count_days_to_sunset(teacher, datetime.now(UTC).date())
    said = [*config_warnings, *spending.warnings, *warnings, *find_impossible_gates(composition)]
    said += [shared] if shared else []
    if days_left is not None:
        word = f"is switched off in {days_left} days" if days_left > 0 else "is switched off: a run would stop (exit 6)"
        said.append(f"{teacher.model!r} {word} ({teacher.sunset})")
    return Outlook(
        stages,
        spending,
        power,
        tuple(said),
        name_destination(teacher),
        None if audit is None else asdict(audit),
        days_left,
        read_budget(composition),
        foresee_asking_again(composition.config.regenerate, spending),
    )


def foresee_asking_again(config: RegenerateConfig | None, spending: Spending) -> AskingAgain | None:
    """Price one percent of rejected answers; None where they are not sent back."""
    if config is None:
        return None
    answers = spending.calls + spending.journal_hits
    calls = math.ceil(answers * config.max_attempts / 100)
    known = spending.usd_high is not None and spending.calls > 0
    usd = cast("float", spending.usd_high) / spending.calls * calls if known else None
    return AskingAgain(config.max_attempts, calls, usd)


def count_days_to_sunset(teacher: TeacherConfig, today: date) -> int | None:
    """Return the days until the stated sunset; None where none is stated (`auto` asks the server when a run starts)."""
    return (teacher.sunset - today).days if isinstance(teacher.sunset, date) else None


def name_destination(teacher: TeacherConfig) -> str:
    """Say who gets the prompts and which variable's content goes along: a config from elsewhere decides both."""
    if teacher.provider != "openai":
        return f"prompts stay on this machine (provider {teacher.provider})"
    host = urlsplit(teacher.base_url or OPENAI_URL).hostname or "an unnamed host"
    return f"prompts go to {host}, with the key in {teacher.api_key_env}"


def foresee_power(composition: Composition, n: int) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """Return, per rule and assumption, the chance to pass with n held-out rows, and what to do where it is low."""
    plan = plan_power(composition, heldout_rows=n, curve=False)
    table = tuple(
        {
            "rule": row.rule,
            "of": row.of,
            "kind": row.kind,
            "bound": row.bound,
            "heldout_rows": row.heldout_rows,
            "if_it_is": row.assumed,
            "power": row.power,
            "needed_n_for_0.8": row.needed_n,
        }
        for row in plan.rows
    )
    advice = "bring more held-out rows or a wider bound before paying for answers"
    return table, tuple(f"{warning}; {advice}" for warning in plan.warnings)
