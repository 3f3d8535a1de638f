"""What `plan` foresees: which stages run and why, calls, dollars and time, and what the gate could decide."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from distill.app.composition import Composition
from distill.app.estimate import Spending, estimate_spending
from distill.app.execute import forecast_run
from distill.app.overlap import audit_overlap, find_impossible_gates
from distill.app.power import plan_power
from distill.app.purse import BudgetLeft, read_budget
from distill.app.sunset import find_sunsets
from distill.engine.runner import Forecast
from distill.filters import RegenerateConfig
from distill.records.runtime import RuntimeConfig
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
    engine: str = ""
    overlap: dict[str, Any] | None = None
    days_to_sunset: int | None = None
    """Days until the first teacher is switched off, by `sunset` or its server's listing; 0 or less: it is off."""
    budget: BudgetLeft | None = None
    """None where there is no budget."""
    again: AskingAgain | None = None
    """None where rejected answers are not sent back."""
    power_unknown: tuple[str, ...] = ()
    """One line that names the gate's rules whose power no plan can know; none where there is no such rule."""

    def to_json(self) -> dict[str, Any]:
        """Return the contract's plan object."""
        total = self.spending.total()
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "cost_usd": {"low": total.usd_low, "high": total.usd_high},
            "calls": total.calls,
            "journal_hits": total.journal_hits,
            "input_tokens": total.input_tokens,
            "teacher_seconds": round(total.seconds, 1),
            "teachers": [asdict(one) for one in self.spending.teachers],
            "power": list(self.power),
            "power_unknown": list(self.power_unknown),
            "warnings": list(self.warnings),
            "destination": self.destination,
            "engine": self.engine,
            "overlap": self.overlap,
            "days_to_sunset": self.days_to_sunset,
            "regenerate": None if self.again is None else self.again._asdict(),
            "budget": None if self.budget is None else self.budget._asdict(),
        }

    def describe_spending(self) -> str:
        """Say what the teacher would cost in one line; where there are several, in one for each and one for all."""
        each = self.spending.teachers if len(self.spending.teachers) > 1 else ()
        left = "" if self.budget is None else f"; {self.budget.describe()}"
        return "\n".join([self.spending.total().describe() + left, *(f"  {one.describe()}" for one in each)])


def look_ahead(composition: Composition, config_warnings: Sequence[str]) -> Outlook:
    """Foresee a run; reads data and journal, and at most asks servers which models they list.

    Raises:
        DataError: a source cannot be read.
    """
    spending = estimate_spending(composition)
    power, warnings, unknown = foresee_power(composition, spending.heldout_rows)
    stages = tuple(forecast_run(composition))
    audit = audit_overlap(composition)
    shared = None if audit is None else audit.describe()
    panel = composition.config.panel
    sunsets = find_sunsets(panel, datetime.now(UTC).date())
    said = [*config_warnings, *spending.total().warnings, *warnings, *find_impossible_gates(composition)]
    said += [shared] if shared else []
    return Outlook(
        stages,
        spending,
        power,
        (*said, *(sunset.describe() for sunset in sunsets)),
        "\n".join(dict.fromkeys(name_destination(teacher) for teacher in panel)),
        name_engine(composition.runtime, os.environ),
        None if audit is None else asdict(audit),
        min((sunset.days_left for sunset in sunsets), default=None),
        read_budget(composition),
        foresee_asking_again(composition.config.regenerate, spending),
        unknown,
    )


def foresee_asking_again(config: RegenerateConfig | None, spending: Spending) -> AskingAgain | None:
    """Price one percent of rejected answers; None where they are not sent back."""
    if config is None:
        return None
    total = spending.total()
    calls = math.ceil((total.calls + total.journal_hits) * config.max_attempts / 100)
    known = total.usd_high is not None and total.calls > 0
    usd = cast("float", total.usd_high) / total.calls * calls if known else None
    return AskingAgain(config.max_attempts, calls, usd)


def name_destination(teacher: TeacherConfig) -> str:
    """Say who gets the prompts and which variable's content goes along: a config from elsewhere decides both."""
    if teacher.provider != "openai":
        return f"prompts stay on this machine (provider {teacher.provider})"
    host = urlsplit(teacher.base_url or OPENAI_URL).hostname or "an unnamed host"
    return f"prompts go to {host}, with the key in {teacher.api_key_env}"


def name_engine(runtime: RuntimeConfig, env: Mapping[str, str]) -> str:
    """Say where the filters run."""
    if runtime.engine == "local":
        return "filters run in this process"
    return (
        f"filters run on Ray at {env['RAY_ADDRESS']}"
        if "RAY_ADDRESS" in env
        else "filters run on a Ray of this machine"
    )


def foresee_power(
    composition: Composition, n: int
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...], tuple[str, ...]]:
    """Return per rule the chance to pass with n held-out rows, what to do where it is low, and who has none."""
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
    return table, tuple(f"{warning}; {advice}" for warning in plan.warnings), plan.describe_unforeseen()
