"""What `plan` foresees: which stages run and why, calls, dollars and time, and what the gate could decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from distill.app.composition import Composition
from distill.app.execute import forecast_run
from distill.app.overlap import audit_overlap, find_impossible_gates
from distill.engine.runner import Forecast
from distill.records.example import Example
from distill.sources import read_source
from distill.stages.ingest import heldout_source
from distill.tasks.prompts import input_columns, render_teacher
from distill.teachers import OPENAI_URL, TeacherConfig, build_requests, estimate

ASSUMED_DISCORDANCE = (0.02, 0.05, 0.10)
"""Shares of examples on which student and teacher may differ: the plan cannot know, so it shows several."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Teacher calls to come; dollars are None when the price is unknown."""

    calls: int
    journal_hits: int
    input_tokens: int
    usd_low: float | None
    usd_high: float | None
    seconds: float
    heldout_rows: int
    warnings: tuple[str, ...]


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
        }

    def describe_spending(self) -> str:
        """Say in one line what the teacher would cost."""
        low, high = self.spending.usd_low, self.spending.usd_high
        usd = "unknown price" if low is None or high is None else f"${low:.4f} to ${high:.4f}"
        return (
            f"teacher: {self.spending.calls} calls ({self.spending.journal_hits} answers already paid), {usd}, "
            f"about {self.spending.seconds:.0f} s"
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
    )


def count_days_to_sunset(teacher: TeacherConfig, today: date) -> int | None:
    """Return the days until the stated sunset; None where none is stated (`auto` asks the server when a run starts)."""
    return (teacher.sunset - today).days if isinstance(teacher.sunset, date) else None


def name_destination(teacher: TeacherConfig) -> str:
    """Say who gets the prompts and which variable's content goes along: a config from elsewhere decides both."""
    if teacher.provider != "openai":
        return f"prompts stay on this machine (provider {teacher.provider})"
    host = urlsplit(teacher.base_url or OPENAI_URL).hostname or "an unnamed host"
    return f"prompts go to {host}, with the key in {teacher.api_key_env}"


def estimate_spending(composition: Composition) -> Spending:
    """Estimate what the teacher would be asked, minus what the journal already holds.

    Raises:
        DataError: a source cannot be read, or a prompt cannot be rendered.
    """
    config = composition.config
    columns = input_columns(config.task)
    pool = read_source(config.data, columns, composition.base_dir).examples
    heldout: list[Example] = []
    if config.data.heldout.source is not None:
        heldout = read_source(heldout_source(config.data), columns, composition.base_dir).examples
    wanted = [example for example in pool + heldout if example.teacher_output is None]
    schema: Any = config.task.schema_ if config.task.output == "json" else None
    conversations = [render_teacher(config.task, example.columns) for example in wanted]
    found = estimate(
        build_requests(conversations, config.teacher, schema=schema), config.teacher, runtime=composition.runtime
    )
    share = config.data.heldout.fraction or 0.0
    size = config.data.heldout.size or round(share * len(pool))
    return Spending(
        calls=found.calls,
        journal_hits=found.journal_hits,
        input_tokens=found.input_tokens,
        usd_low=found.usd_low,
        usd_high=found.usd_high,
        seconds=found.seconds,
        heldout_rows=len(heldout) or size,
        warnings=found.warnings,
    )


def foresee_power(composition: Composition, n: int) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """Return, per margin rule and assumed discordance, the chance that an equal student is promoted at this n."""
    from distill.statistics.power import gate_power, needed_n  # noqa: PLC0415 scipy, which an idle run must not wait for
    from distill.statistics.proportions import bound_power, needed_for_bound  # noqa: PLC0415 as above

    alpha = 1 - composition.config.gate.confidence
    without_gold = composition.config.data.gold is None
    table: list[dict[str, Any]] = []
    warnings: list[str] = []
    for rule in composition.config.gate.rules:
        if rule.margin is None or rule.per_slice:
            continue
        best = 0.0
        for psi in ASSUMED_DISCORDANCE:
            if without_gold and rule.versus == "teacher":  # agreement of 1 - psi must be shown to be over 1 - margin
                power = bound_power(n, rule.margin, psi, alpha)
                needed = needed_for_bound(psi, rule.margin, alpha)
            else:
                power = gate_power(n, rule.margin, psi, 0.0, alpha)
                needed = needed_n(rule.margin, psi, 0.0, alpha, 0.8)
            best = max(best, power)
            table.append(
                {"rule": rule.metric, "of": rule.of, "margin": rule.margin, "heldout_rows": n,
                 "discordant": psi, "power": round(power, 3), "needed_n_for_0.8": needed}
            )  # fmt: skip
        if best < 0.8 and rule.policy == "block":
            warnings.append(
                f"underpowered: {n} held-out rows decide a margin of {rule.margin:g} with power {best:.2f} at best; "
                "bring more held-out rows or a wider margin before paying for answers"
            )
    return tuple(table), tuple(warnings)
