"""What quality costs: the Pareto plot of the systems, the cascade by threshold, and cumulative spend over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from distill.reports.plots.svg import Drawing, Scale, spread
from distill.reports.wording import compact, milliseconds, percent, usd

WIDTH = 620
FLOOR = 322
"""Where the plane of cost and quality ends; labels near it stand above their dot."""


@dataclass(frozen=True, slots=True)
class System:
    """A system in the plane of cost and quality; `style` is its colour class."""

    name: str
    per_1k_usd: float
    quality: float
    low: float | None
    high: float | None
    p95_ms: float | None
    style: str


@dataclass(frozen=True, slots=True)
class CurveStop:
    """The cascade at one threshold."""

    threshold: float | None
    kept: float
    quality: float
    per_1k_usd: float | None
    p95_ms: float | None


def draw_pareto(systems: Sequence[System], curve: Sequence[CurveStop]) -> Markup:
    """Draw quality against cost per 1,000 requests; up and to the left is better."""
    stops = [stop for stop in curve if stop.per_1k_usd is not None]
    costs = [s.per_1k_usd for s in systems] + [stop.per_1k_usd or 0.0 for stop in stops]
    qualities = [v for s in systems for v in (s.quality, s.low, s.high) if v is not None]
    low, high = spread(qualities + [stop.quality for stop in stops], 0.1, 0.01)
    told = "; ".join(f"{s.name}: {percent(s.quality)} at {usd(s.per_1k_usd)} per 1,000 requests" for s in systems)
    drawing = Drawing(WIDTH, 380, "Quality against cost", told, "pareto")
    x = Scale(0, (max(costs) or 1) * 1.16, 72, WIDTH - 20)
    y = Scale(max(low, 0), min(high, 1.004), FLOOR, 18)
    for tick in y.ticks(5):
        drawing.line(x.start, y(tick), WIDTH - 20, y(tick), "grid")
        drawing.text(x.start - 10, y(tick) + 4, percent(tick, 0 if y.high - y.low > 0.1 else 1), "t num", "end")
    for tick in x.ticks(5):
        drawing.text(x(tick), 342, usd(tick), "t num", "middle")
    drawing.path([(x(stop.per_1k_usd or 0.0), y(stop.quality)) for stop in stops], "curve cascade")
    for stop in stops[:: max(1, len(stops) // 40)]:
        drawing.circle(x(stop.per_1k_usd or 0.0), y(stop.quality), 2.5, "dot cascade soft", _tell_stop(stop))
    taken: list[tuple[float, float]] = []
    for system in systems:
        _draw_system(drawing, x, y, system, taken)
    drawing.text(WIDTH - 20, 370, "USD per 1,000 requests →", "t dim", "end")
    return drawing.render()


def _draw_system(drawing: Drawing, x: Scale, y: Scale, system: System, taken: list[tuple[float, float]]) -> None:
    at, level = x(system.per_1k_usd), y(system.quality)
    if system.low is not None and system.high is not None:
        drawing.line(at, y(system.low), at, y(system.high), f"whisker {system.style}")
    speed = "" if system.p95_ms is None else f", 95% within {milliseconds(system.p95_ms)}"
    told = f"{system.name}: {percent(system.quality)}, {usd(system.per_1k_usd)} per 1,000{speed}"
    drawing.circle(at, level, 8, f"dot {system.style} ring", told)
    is_right = at > WIDTH - 170
    side, anchor = (at - 14, "end") if is_right else (at + 14, "start")
    step = 36 if level < FLOOR - 40 else -36
    below = level + 18 if step > 0 else level - 24
    while any(abs(at - other) < 240 and abs(below - height) < 34 for other, height in taken):
        below += step
    taken.append((at, below))
    drawing.text(side, below, system.name, "t strong", anchor)
    numbers = f"{percent(system.quality)} · {usd(system.per_1k_usd)}"
    drawing.text(side, below + 15, numbers, "t num dim", anchor)


def _tell_stop(stop: CurveStop) -> str:
    at = "teacher answers all" if stop.threshold is None else f"threshold {stop.threshold:.3f}"
    return f"{at}: student keeps {percent(stop.kept)}, right {percent(stop.quality)}, {usd(stop.per_1k_usd)} per 1,000"


def draw_threshold_panels(curve: Sequence[CurveStop], chosen: float | None) -> Markup:
    """Draw quality, cost and latency side by side against the share of requests the student keeps."""
    panels: list[tuple[str, Callable[[CurveStop], float | None], Callable[[float], str]]] = [
        ("quality", lambda s: s.quality, lambda v: percent(v, 0)),
        ("USD per 1,000", lambda s: s.per_1k_usd, usd),
        ("latency, 95%", lambda s: s.p95_ms, milliseconds),
    ]
    told = "; ".join(_tell_stop(stop) for stop in curve[:: max(1, len(curve) // 8)])
    drawing = Drawing(880, 210, "The cascade by share kept by the student", told, "threshold")
    for index, (name, read, write) in enumerate(panels):
        _draw_panel(drawing, 300 * index, name, [(s, read(s)) for s in curve], write, _find(curve, chosen))
    return drawing.render()


def _find(curve: Sequence[CurveStop], chosen: float | None) -> float | None:
    if chosen is None:
        return None
    above = [stop for stop in curve if stop.threshold is not None and stop.threshold >= chosen]
    return above[0].kept if above else 0.0


def _draw_panel(
    drawing: Drawing,
    left: float,
    name: str,
    stops: Sequence[tuple[CurveStop, float | None]],
    write: Callable[[float], str],
    chosen_kept: float | None,
) -> None:
    known = [(stop.kept, value) for stop, value in stops if value is not None]
    drawing.text(left + 52, 14, name, "t strong")
    if len(known) < 2:
        drawing.text(left + 52, 100, "unknown", "t dim")
        return
    low, high = spread([value for _, value in known], 0.08, 1e-6)
    x, y = Scale(0, 1, left + 52, left + 258), Scale(max(low, 0.0), high, 164, 28)
    for tick in y.ticks(4):
        drawing.line(x.start, y(tick), x.end, y(tick), "grid")
        drawing.text(x.start - 6, y(tick) + 4, write(tick), "t small num", "end")
    for tick in (0, 0.5, 1):
        drawing.text(x(tick), 182, f"{tick:.0%}", "t small num", "middle")
    drawing.text(x.end, 202, "kept by the student →", "t small dim", "end")
    drawing.path([(x(kept), y(value)) for kept, value in known], "curve cascade")
    if chosen_kept is not None:
        drawing.line(x(chosen_kept), 24, x(chosen_kept), 164, "chosen")
        kept, value = min(known, key=lambda pair: abs(pair[0] - chosen_kept))
        told = f"in use: student keeps {percent(kept)}, {name} {write(value)}"
        drawing.circle(x(kept), y(value), 5.5, "dot cascade ring", told)


@dataclass(frozen=True, slots=True)
class Spend:
    """Cumulative dollars: the teacher alone, and the distilled system, per day; `renewal_days` None: never."""

    teacher_per_day: float
    system_per_day: float
    one_off: float
    renewal_days: float | None
    break_even_days: float | None
    low_days: float | None
    high_days: float | None


def draw_spend(spend: Spend, system: str) -> Markup:
    """Draw what each has cost after so many days, and where the lines cross."""
    wanted = spend.high_days or spend.break_even_days
    horizon = max(2.0, min(730.0, 2.2 * wanted)) if wanted is not None else 365.0
    ours_told = f"{system} {usd(spend.one_off)} once and {usd(spend.system_per_day)} a day"
    told = f"teacher {usd(spend.teacher_per_day)} a day; {ours_told}"
    drawing = Drawing(WIDTH, 320, "Cumulative cost", told, "spend")
    days = [horizon * index / 120 for index in range(121)]
    teacher = [spend.teacher_per_day * day for day in days]
    ours = [spend.one_off * _times(day, spend.renewal_days) + spend.system_per_day * day for day in days]
    x = Scale(0, horizon, 64, WIDTH - 20)
    y = Scale(0, (max(*teacher, *ours) or 1.0) * 1.06, 262, 16)
    for tick in y.ticks(4):
        drawing.line(x.start, y(tick), x.end, y(tick), "grid")
        drawing.text(x.start - 8, y(tick) + 4, usd(tick), "t num", "end")
    for tick in x.ticks(6):
        drawing.text(x(tick), 280, f"{tick:g}" if horizon < 10 else compact(tick), "t num", "middle")
    drawing.text(x.end, 308, "days →", "t dim", "end")
    if spend.low_days is not None:
        end = x.end if spend.high_days is None else x(spend.high_days)
        drawing.rect(x(spend.low_days), 16, end - x(spend.low_days), 246, "band", tip="90% band of break-even")
    drawing.path([(x(d), y(v)) for d, v in zip(days, teacher, strict=True)], "curve teacher", "teacher")
    drawing.path([(x(d), y(v)) for d, v in zip(days, ours, strict=True)], f"curve {system}", system)
    _label_ends(drawing, y, teacher[-1], ours[-1], system)
    if spend.break_even_days is not None and spend.break_even_days <= horizon:
        level = spend.teacher_per_day * spend.break_even_days
        told = f"break-even after {spend.break_even_days:,.1f} days at {usd(level)}"
        drawing.circle(x(spend.break_even_days), y(level), 6, "dot pass ring", told)
    return drawing.render()


def _times(day: float, renewal_days: float | None) -> int:
    return 1 if renewal_days is None else 1 + int(day // renewal_days)


def _label_ends(drawing: Drawing, y: Scale, teacher: float, ours: float, system: str) -> None:
    upper, lower = sorted([(y(teacher), "teacher"), (y(ours), system)])
    drawing.text(WIDTH - 24, max(upper[0] - 8, 12), upper[1], "t strong", "end")
    drawing.text(WIDTH - 24, lower[0] + 20, lower[1], "t strong", "end")
