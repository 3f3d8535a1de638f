"""What real traffic cost: the gateway's request log added up, and set against a teacher that answers everything.

The teacher's price of a request that the student answered is seen where the shadow sample asked the teacher too: a
uniform sample, so its mean is unbiased. An unknown price stays unknown (None), with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import cast

import numpy as np

from distill.costs.breakeven import BreakEven, Economics, compute_break_even
from distill.costs.config import CostsConfig
from distill.costs.serving import HOURS_PER_DAY, student_cost_per_1k_usd
from distill.records.amounts import add_usd
from distill.records.json import Json
from distill.records.live import Audit, ServedRequest

MOST_PRICES = 2000
_SECONDS_PER_DAY = 86_400.0
_NOT_ASKED = ("fallback_off", "fallback_capped")


@dataclass(slots=True)
class Prices:
    """A systematic sample of prices in USD: every `every`-th, and never more than `MOST_PRICES`."""

    kept: list[float] = field(default_factory=list[float])
    every: int = 1
    seen: int = 0
    unknown: int = 0
    usd: float = 0.0

    def add(self, price_usd: float | None) -> None:
        """Take in one price; None is counted as unknown."""
        if price_usd is None:
            self.unknown += 1
            return
        if self.seen % self.every == 0:
            self.kept.append(price_usd)
            if len(self.kept) > MOST_PRICES:
                self.kept, self.every = self.kept[::2], self.every * 2
        self.seen += 1
        self.usd += price_usd

    @property
    def mean_usd(self) -> float | None:
        """The mean of the known ones; None without any."""
        return self.usd / self.seen if self.seen else None


@dataclass(slots=True)
class LiveTally:
    """Counts over logged requests and audits of one version; grows by nothing but `Prices` however many there are.

    `fallback` holds what teacher calls for callers cost, answered or not; `shadow` what the teacher was paid to audit
    the student's answers; `fixed` what the fixed inputs cost.
    """

    by_student: int = 0
    by_teacher: int = 0
    unanswered: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    fallback: Prices = field(default_factory=Prices)
    shadow: Prices = field(default_factory=Prices)
    fixed: Prices = field(default_factory=Prices)

    @property
    def requests(self) -> int:
        """Requests seen."""
        return self.by_student + self.by_teacher + self.unanswered

    def add_request(self, row: ServedRequest) -> None:
        """Take in one request."""
        self.by_student += row.answered_by == "student"
        self.by_teacher += row.answered_by == "teacher"
        self.unanswered += row.answered_by == "none"
        self.first_s = row.time if not self.first_s else min(self.first_s, row.time)
        self.last_s = max(self.last_s, row.time)
        if _asked_teacher(row):
            self.fallback.add(row.cost_usd)

    def add_audit(self, audit: Audit) -> None:
        """Take in one audit; of a trial's two, which one call paid, the serving version's counts."""
        if audit.kind == "shadow" and audit.side == "main":
            self.shadow.add(audit.cost_usd)
        elif audit.kind == "canary_teacher":
            self.fixed.add(audit.cost_usd)


def load_tally(body: Mapping[str, object]) -> LiveTally:
    """Read a tally back from what `asdict` made of it."""
    prices = {name: Prices(**value) for name, value in body.items() if isinstance(value, dict)}
    return LiveTally(**{**body, **prices})  # pyright: ignore[reportArgumentType] its own fields


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What a run's own costs.json adds: its one-off costs, and what it measured. None is unknown."""

    config: CostsConfig
    one_off_usd: float | None = None
    throughput_per_s: float | None = None
    teacher_per_1k_usd: float | None = None


@dataclass(frozen=True, slots=True)
class LiveCosts:
    """The live costs of one version over a stretch of its log; None is unknown, and a warning says what is missing.

    `teacher_usd` includes `assumed_usd`: calls whose price nobody knows (cut off, timed out) at the mean of the
    others. `student_usd` is the machine at measured throughput and stated utilisation, as in costs.json;
    `dedicated_usd` one machine for all the hours. `all_teacher_usd` is what the teacher would have cost had it
    answered every request; `saving_usd` is that less `system_usd` (teacher, student and audits).
    """

    version: str
    run: str | None
    since_s: float
    until_s: float
    days: float
    requests: int
    requests_per_day: float | None
    by_student: int
    by_teacher: int
    unanswered: int
    student_share: float | None
    teacher_calls: int
    unpriced_calls: int
    teacher_usd: float | None
    assumed_usd: float
    audits: int
    audit_usd: float | None
    student_usd: float | None
    dedicated_usd: float | None
    system_usd: float | None
    per_1k_usd: float | None
    all_teacher_usd: float | None
    all_teacher_source: str | None
    saving_usd: float | None
    saving_share: float | None
    one_off_usd: float | None
    earned_share: float | None
    break_even: BreakEven
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the object that `--json` prints."""
        return cast("dict[str, Json]", asdict(self))


def build_live_costs(version: str, run: str | None, tally: LiveTally, figures: RunFigures) -> LiveCosts:
    """Work out what a version's traffic cost and saved.

    Deterministic under `figures.config.seed`.
    """
    days = (tally.last_s - tally.first_s) / _SECONDS_PER_DAY
    per_day = tally.requests / days if days > 0 else None
    teacher, assumed = _price(tally.fallback)
    audit = add_usd([_price(tally.shadow)[0], _price(tally.fixed)[0]])
    config = figures.config
    per_1k = student_cost_per_1k_usd(figures.throughput_per_s, config.student)
    student = None if per_1k is None else per_1k * tally.requests / 1000
    system = add_usd([teacher, audit, student])
    saved_prices, source = _prices_of_saved(tally, figures)
    kept = tally.requests - tally.by_teacher
    all_teacher = _all_teacher_usd(tally, saved_prices, kept)
    saving = None if all_teacher is None or system is None else all_teacher - system
    rate = config.student.usd_per_hour
    return LiveCosts(
        version=version,
        run=run,
        since_s=tally.first_s,
        until_s=tally.last_s,
        days=days,
        requests=tally.requests,
        requests_per_day=per_day,
        by_student=tally.by_student,
        by_teacher=tally.by_teacher,
        unanswered=tally.unanswered,
        student_share=_share(tally.by_student, tally.requests),
        teacher_calls=tally.fallback.seen + tally.fallback.unknown,
        unpriced_calls=tally.fallback.unknown,
        teacher_usd=teacher,
        assumed_usd=assumed,
        audits=sum(prices.seen + prices.unknown for prices in (tally.shadow, tally.fixed)),
        audit_usd=audit,
        student_usd=student,
        dedicated_usd=None if rate is None else rate * days * HOURS_PER_DAY,
        system_usd=system,
        per_1k_usd=None if system is None else _share(system * 1000, tally.requests),
        all_teacher_usd=all_teacher,
        all_teacher_source=source,
        saving_usd=saving,
        saving_share=None if saving is None or not all_teacher else saving / all_teacher,
        one_off_usd=figures.one_off_usd,
        earned_share=None if saving is None or not figures.one_off_usd else saving / figures.one_off_usd,
        break_even=_break_even(tally, figures, saved_prices, per_day),
        warnings=_list_warnings(run, tally, figures, source, per_day),
    )


def _asked_teacher(row: ServedRequest) -> bool:
    """Tell whether the teacher may have been paid for a request, answered by it or not."""
    if row.answered_by == "teacher":
        return True
    if row.answered_by == "none":
        return row.cost_usd != 0 and row.reason in ("no_answer", "timeout")
    whys = row.reason.split(",")
    return any(why.startswith("fallback_") and why not in _NOT_ASKED for why in whys)


def _price(prices: Prices) -> tuple[float | None, float]:
    """Return what was paid, and the part of it that is assumed: unknown ones at the mean of the others."""
    if not prices.unknown:
        return prices.usd, 0.0
    if prices.mean_usd is None:
        return None, 0.0
    assumed = prices.mean_usd * prices.unknown
    return prices.usd + assumed, assumed


def _prices_of_saved(tally: LiveTally, figures: RunFigures) -> tuple[tuple[float, ...], str | None]:
    """Return prices of teacher answers to requests like those the student answered, and where they come from."""
    if tally.shadow.kept:
        return tuple(tally.shadow.kept), "shadow audits"
    if tally.fallback.kept and any(tally.fallback.kept):
        return tuple(tally.fallback.kept), "requests that the teacher answered"
    if figures.teacher_per_1k_usd is not None:
        return (figures.teacher_per_1k_usd / 1000,), "held-out answers of the run"
    return (), None


def _all_teacher_usd(tally: LiveTally, prices: tuple[float, ...], kept: int) -> float | None:
    """Add what the teacher's own answers cost and what it would have asked for the others."""
    if not prices:
        return None
    mean = float(np.mean(prices))
    return (tally.fallback.mean_usd or mean) * tally.by_teacher + mean * kept


def _break_even(tally: LiveTally, figures: RunFigures, prices: tuple[float, ...], per_day: float | None) -> BreakEven:
    if not tally.requests:
        return BreakEven("unknown", "unknown without requests")
    audited = min(1.0, tally.shadow.seen / tally.by_student) if tally.by_student else 0.0
    config = figures.config.model_copy(update={"audit_rate": audited})
    if per_day is not None:
        config = config.model_copy(update={"requests_per_day": per_day})
    economics = Economics(figures.one_off_usd, prices, figures.throughput_per_s, tally.by_teacher, tally.requests)
    found = compute_break_even(economics, config)
    return replace(found, reason=found.reason.replace("held-out rows", "requests")) if found.reason else found


def _list_warnings(
    run: str | None, tally: LiveTally, figures: RunFigures, source: str | None, per_day: float | None
) -> tuple[str, ...]:
    unpriced = tally.fallback.unknown
    found = {
        "the run behind this version is not here (see --runs-dir): one-off costs and throughput unknown": run is None,
        "teacher's price unknown: set fallback.input_usd_per_million and .output_usd_per_million of the gateway":
            bool(unpriced) and not tally.fallback.seen,
        f"{unpriced} teacher calls have no known price (cut off or timed out); counted at the mean of the others":
            bool(unpriced) and bool(tally.fallback.seen),
        "what the teacher would have cost is unknown: no audit and no teacher answer has a price": source is None,
        f"the teacher's price of a request is that of {source}, not of what the student answered: no shadow audits":
            source not in (None, "shadow audits"),
        "student's price unknown: set costs.student.usd_per_hour": figures.config.student.usd_per_hour is None,
        "student's throughput was not measured": run is not None and figures.throughput_per_s is None,
        "one-off costs unknown": run is not None and figures.one_off_usd is None,
        "too short a stretch to say how many requests come in a day": per_day is None and tally.requests > 0,
    }  # fmt: skip
    return tuple(text for text, is_so in found.items() if is_so)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
