"""What the teachers will be asked, in calls, tokens and dollars, less what the journal already holds. Sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distill.app.composition import Composition
from distill.records.amounts import add_usd
from distill.records.example import Example
from distill.sources import read_source
from distill.stages.generate import make_requests, unanswered
from distill.stages.gold import check_gold
from distill.stages.ingest import heldout_source
from distill.tasks import make_task
from distill.tasks.prompts import input_columns
from distill.teachers import Estimate, TeacherConfig, estimate, name_teachers


@dataclass(frozen=True, slots=True)
class TeacherSpending:
    """Calls to one teacher to come; dollars are None when the price is unknown."""

    teacher: str
    calls: int
    journal_hits: int
    input_tokens: int
    usd_low: float | None
    usd_high: float | None
    seconds: float
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say in one line what this teacher would cost."""
        low, high = self.usd_low, self.usd_high
        usd = "unknown price" if low is None or high is None else f"${low:.4f} to ${high:.4f}"
        return (
            f"{self.teacher}: {self.calls} calls ({self.journal_hits} answers already paid), {usd}, "
            f"about {self.seconds:.0f} s"
        )


@dataclass(frozen=True, slots=True)
class Spending:
    """Calls to come, the reference teacher's first. They are asked at the same time."""

    teachers: tuple[TeacherSpending, ...]
    heldout_rows: int

    @property
    def calls(self) -> int:
        """Calls to all of them."""
        return sum(one.calls for one in self.teachers)

    @property
    def usd_low(self) -> float | None:
        """Dollars at least; None where a price is unknown."""
        return add_usd([one.usd_low for one in self.teachers])

    @property
    def usd_high(self) -> float | None:
        """Dollars at most; None where a price is unknown."""
        return add_usd([one.usd_high for one in self.teachers])

    def total(self) -> TeacherSpending:
        """Return all of them as one."""
        return TeacherSpending(
            teacher="teacher" if len(self.teachers) == 1 else f"{len(self.teachers)} teachers",
            calls=self.calls,
            journal_hits=sum(one.journal_hits for one in self.teachers),
            input_tokens=sum(one.input_tokens for one in self.teachers),
            usd_low=self.usd_low,
            usd_high=self.usd_high,
            seconds=max(one.seconds for one in self.teachers),
            warnings=tuple(warning for one in self.teachers for warning in one.warnings),
        )


def estimate_spending(composition: Composition) -> Spending:
    """Estimate what the teachers would be asked, minus what the journal already holds.

    The held-out rows are asked of the reference teacher alone. Where they are still to be drawn from the pool, the
    others are counted with their share of it.

    Raises:
        DataError: a source cannot be read, gold is no answer of the task, or a prompt cannot be rendered.
    """
    config = composition.config
    columns = input_columns(config.task)
    pool = read_source(config.data, columns, composition.base_dir).examples
    heldout: list[Example] = []
    if config.data.heldout.source is not None:
        heldout = read_source(heldout_source(config.data), columns, composition.base_dir).examples
    check_gold([*pool, *heldout], make_task(config.task))
    drawn = config.data.heldout.size or round((config.data.heldout.fraction or 0.0) * len(pool))
    share = 1 - min(drawn, len(pool)) / max(1, len(pool))
    reference, *others = config.panel
    names = name_teachers(config.panel)
    found = [_word(names[0], _estimate([*pool, *heldout], reference, composition))]
    for name, teacher in zip(names[1:], others, strict=True):
        found.append(_word(name, _estimate(unanswered(pool), teacher, composition), 1.0 if heldout else share))
    return Spending(tuple(found), len(heldout) or drawn)


def _estimate(examples: Sequence[Example], teacher: TeacherConfig, composition: Composition) -> Estimate:
    wanted = [example for example in examples if example.teacher_output is None]
    requests = make_requests(wanted, composition.config.task, teacher)
    return estimate(requests, teacher, runtime=composition.runtime)


def _word(name: str, found: Estimate, share: float = 1.0) -> TeacherSpending:
    """Return an estimate of which only `share` of all rows will be asked; what is paid already is part of it."""
    every = found.calls + found.journal_hits
    calls = min(found.calls, max(0, round(share * every) - found.journal_hits))
    part = calls / found.calls if found.calls else 1.0
    return TeacherSpending(
        teacher=name,
        calls=calls,
        journal_hits=found.journal_hits,
        input_tokens=round(part * found.input_tokens),
        usd_low=None if found.usd_low is None else part * found.usd_low,
        usd_high=None if found.usd_high is None else part * found.usd_high,
        seconds=part * found.seconds,
        warnings=found.warnings,
    )
