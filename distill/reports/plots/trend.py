"""How runs developed: one small panel per measure, runs in order of time, the verdict as colour and as a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from distill.reports.plots.svg import Drawing, Scale, short, spread

WIDTH, PANEL = 880, 150
LEFT, RIGHT = 120, 860
MARKS = {"promote": "pass", "hold": "fail", "inconclusive": "inconclusive"}


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run's value, with its interval where known; None is unknown."""

    value: float | None
    low: float | None
    high: float | None
    decision: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the runs."""

    name: str
    points: Sequence[TrendPoint]
    write: Callable[[float], str]


def draw_trend(labels: Sequence[str], trends: Sequence[Trend]) -> Markup:
    """Draw the measures beneath each other over the same runs, oldest at the left."""
    told = "; ".join(f"{trend.name}: {_tell(labels, trend)}" for trend in trends)
    drawing = Drawing(WIDTH, PANEL * len(trends) + 34, "Runs over time", told, "trend")
    step = (RIGHT - LEFT) / max(len(labels), 1)
    places = [LEFT + step * (index + 0.5) for index in range(len(labels))]
    for index, trend in enumerate(trends):
        _panel(drawing, PANEL * index, trend, places, labels)
    for place, label in list(zip(places, labels, strict=True))[:: max(1, len(labels) // 8)]:
        drawing.text(place, PANEL * len(trends) + 22, short(label, 18), "t small dim", "middle")
    return drawing.render()


def _tell(labels: Sequence[str], trend: Trend) -> str:
    pairs = zip(labels, trend.points, strict=True)
    return ", ".join(f"{label} {'unknown' if p.value is None else trend.write(p.value)}" for label, p in pairs)


def _panel(drawing: Drawing, top: float, trend: Trend, places: Sequence[float], labels: Sequence[str]) -> None:
    known = [value for p in trend.points for value in (p.value, p.low, p.high) if value is not None]
    drawing.text(0, top + 22, trend.name, "t strong")
    if not known:
        drawing.text(LEFT, top + PANEL / 2, "unknown", "t dim")
        return
    low, high = spread(known, 0.15, 1e-6)
    y = Scale(max(low, 0.0), high, top + PANEL - 14, top + 38)  # the name stands above the highest tick
    for tick in y.ticks(3):
        drawing.line(LEFT, y(tick), RIGHT, y(tick), "grid")
        drawing.text(LEFT - 8, y(tick) + 4, trend.write(tick), "t small num", "end")
    line = [(x, y(p.value)) for x, p in zip(places, trend.points, strict=True) if p.value is not None]
    drawing.path(line, "curve teacher")
    for x, label, point in zip(places, labels, trend.points, strict=True):
        if point.value is None:
            continue
        style = MARKS.get(point.decision, "")
        if point.low is not None and point.high is not None:
            drawing.line(x, y(point.low), x, y(point.high), f"whisker {style}")
        told = f"{label}: {trend.name} {trend.write(point.value)}, {point.decision}"
        drawing.circle(x, y(point.value), 5, f"dot {style}", told)
