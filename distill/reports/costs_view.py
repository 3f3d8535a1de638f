"""Reads costs.json for the page: numbers by path, systems in the plane of cost and quality, the curve, the spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from distill.records.json import Json
from distill.reports.model import SystemScore
from distill.reports.plots.tradeoff import CurveStop, Spend, System

DAYS_PER_MONTH = 365.25 / 12
SYSTEMS = ("student", "cascade", "teacher")


@dataclass(frozen=True, slots=True)
class CostsView:
    """costs.json, read safely: what is not there is None."""

    costs: Mapping[str, Json]

    def number(self, *path: str) -> float | None:
        """Return the number at a path, or None."""
        value = self.value(*path)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, *path: str) -> str:
        """Return the text at a path, or an empty one."""
        value = self.value(*path)
        return value if isinstance(value, str) else ""

    def value(self, *path: str) -> Json:
        """Return what is at a path, or None."""
        here: Json = self.costs
        for step in path:
            if not isinstance(here, Mapping):
                return None
            here = here.get(step)
        return here

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the list of texts at a path."""
        value = self.value(*path)
        return tuple(str(item) for item in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()

    def table(self, *path: str) -> tuple[Mapping[str, Json], ...]:
        """Return the list of objects at a path."""
        value = self.value(*path)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return ()
        return tuple(cast("Mapping[str, Json]", item) for item in value if isinstance(item, Mapping))

    @property
    def served(self) -> str:
        """Return what would be served: student or cascade."""
        return self.text("system") or "student"

    def ratio(self) -> float | None:
        """Return dollars per request of what would be served, as a share of the teacher's."""
        ours, teacher = self.number(self.served, "per_1k_usd"), self.number("teacher", "per_1k_usd")
        return None if ours is None or not teacher else ours / teacher


def plane_of(view: CostsView, scores: Sequence[SystemScore], metric: str) -> list[System]:
    """Return the systems whose cost and quality are known."""
    found: list[System] = []
    for name in SYSTEMS:
        price = view.number(name, "per_1k_usd")
        score = next((s for s in scores if s.system == name and s.metric == metric and s.slice is None), None)
        quality = score.value if score is not None else view.number(name, "accuracy")
        if price is None or quality is None:
            continue
        low, high = (score.low, score.high) if score is not None else (None, None)
        found.append(System(name, price, quality, low, high, view.number(name, "p95_ms"), name))
    return found


def curve_of(view: CostsView) -> list[CurveStop]:
    """Return the cascade's curve, as far as its quality is known."""
    stops: list[CurveStop] = []
    for row in view.table("cascade_curve"):
        point = CostsView(row)
        quality, escalated = point.number("accuracy"), point.number("escalation_rate")
        if quality is not None and escalated is not None:
            price, p95 = point.number("per_1k_usd"), point.number("p95_ms")
            stops.append(CurveStop(point.number("threshold"), 1 - escalated, quality, price, p95))
    return stops


def spend_of(view: CostsView) -> Spend | None:
    """Return daily spend and break-even, or None where a price is unknown."""
    teacher = view.number("monthly", "teacher_usd")
    ours = view.number("monthly", f"{view.served}_usd")
    one_off = view.number("one_off", "total_usd")
    if teacher is None or ours is None or one_off is None:
        return None
    distillations = view.number("total_cost", "distillations") or 1
    days = view.number("total_cost", "days")
    renewal = None if distillations <= 1 or days is None else days / distillations
    band = [view.number("break_even", "days", end) for end in ("estimate", "low", "high")]
    return Spend(teacher / DAYS_PER_MONTH, ours / DAYS_PER_MONTH, one_off, renewal, *band)
