"""The forest plot: differences to the teacher with intervals, the margin they must not cross, one line per slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from distill.reports.plots.svg import Drawing, Scale, short, spread
from distill.reports.wording import MINUS, points, signed

WIDTH = 880
ROW = 30
TOP = 44
LEFT, RIGHT = 260, 640
BOTTOM = 46
MAX_ROWS = 40


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One difference (shares: 0.01 is one point). `outcome` is pass, fail or inconclusive; `is_main` stands out."""

    label: str
    difference: float
    low: float
    high: float
    n: int
    margin: float
    outcome: str
    is_main: bool = False
    alone: tuple[float, float, float] | None = None


def draw_forest(rows: Sequence[ForestRow], system: str) -> Markup:
    """Draw differences to the teacher; `alone` of a row is the student without its fallback (point, low, high)."""
    shown = rows[:MAX_ROWS]
    values = [value for row in shown for value in (row.low, row.high, -row.margin, 0.0, *(row.alone or ()))]
    low, high = spread(values, 0.06, 0.005)
    height = TOP + ROW * len(shown) + BOTTOM
    told = "; ".join(
        f"{row.label}: {points(row.difference)} points, 95% interval {points(row.low)} to {points(row.high)}, "
        f"{row.outcome}"
        for row in shown
    )
    drawing = Drawing(WIDTH, height, f"{system} minus teacher, in percentage points", told, "forest")
    scale = Scale(low, high, LEFT, RIGHT)
    _frame(drawing, scale, shown, height)
    for index, row in enumerate(shown):
        _row(drawing, scale, row, TOP + ROW * index + ROW / 2)
    return drawing.render()


def _frame(drawing: Drawing, scale: Scale, rows: Sequence[ForestRow], height: float) -> None:
    bottom = height - BOTTOM
    for tick in scale.ticks(6):
        drawing.line(scale(tick), TOP - 6, scale(tick), bottom, "zero" if abs(tick) < 1e-12 else "grid")
        drawing.text(scale(tick), bottom + 16, signed(tick * 100, _digits(scale)), "t num", "middle")
    drawing.text(LEFT, bottom + 36, "← teacher better", "t dim")
    drawing.text(RIGHT, bottom + 36, "better than teacher →", "t dim", "end")
    drawing.text(0, 22, "slice", "t dim")
    drawing.text(LEFT - 16, 22, "n", "t dim", "end")
    drawing.text(RIGHT + 20, 22, "points (95% interval)", "t dim")
    main = next((row for row in rows if row.is_main), rows[0])
    drawing.text(scale(-main.margin), TOP - 22, f"margin {MINUS}{main.margin * 100:g}", "t bad", "middle")


def _digits(scale: Scale) -> int:
    return 1 if scale.high - scale.low < 0.04 else 0


def _row(drawing: Drawing, scale: Scale, row: ForestRow, y: float) -> None:
    weight = "t strong" if row.is_main else "t"
    if row.is_main:
        drawing.rect(0, y - ROW / 2, WIDTH, ROW, "stripe", r=4)
    edge = scale(-row.margin)
    drawing.line(edge, y - ROW / 2, edge, y + ROW / 2, "margin")
    drawing.text(8, y + 4, short(row.label, 32), weight)
    drawing.text(LEFT - 16, y + 4, f"{row.n:,}", "t num dim", "end")
    if row.alone is not None:
        point, low, high = row.alone
        drawing.line(scale(low), y + 7, scale(high), y + 7, "whisker alone")
        told = f"{row.label}, student alone: {points(point)} ({points(low)} to {points(high)})"
        drawing.circle(scale(point), y + 7, 2.5, "alone-dot", told)
        y -= 3
    tip = f"{row.label}: {points(row.difference)} points ({points(row.low)} to {points(row.high)}), {row.outcome}"
    drawing.line(scale(row.low), y, scale(row.high), y, f"whisker {row.outcome}")
    for end in (row.low, row.high):
        drawing.line(scale(end), y - 4, scale(end), y + 4, f"whisker {row.outcome}")
    mark = drawing.diamond if row.is_main else drawing.circle
    mark(scale(row.difference), y, 7 if row.is_main else 4.5, f"dot {row.outcome}", tip)
    numbers = f"{points(row.difference)} ({points(row.low)} to {points(row.high)})"
    drawing.text(RIGHT + 20, y + 4, numbers, f"{weight} num")
    drawing.text(WIDTH - 8, y + 4, _word(row.outcome), f"t {row.outcome}", "end")


def _word(outcome: str) -> str:
    return {"pass": "✓ pass", "fail": "✕ fail", "inconclusive": "~ open"}.get(outcome, outcome)
