"""Bars, calibration, learning curve, training losses: the small charts of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from distill.reports.model import Calibration, CalibrationBin, LearningCurve, TrainingPoint
from distill.reports.plots.svg import Drawing, Scale, short, spread
from distill.reports.wording import compact, percent

WIDTH = 520


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with what to write at its end; `value` None is unknown."""

    label: str
    value: float | None
    shown: str
    style: str
    low: float | None = None
    high: float | None = None


def draw_bars(bars: Sequence[Bar], title: str, key: str) -> Markup:
    """Draw horizontal bars from zero, with intervals where known."""
    row, left, right = 30, 150, WIDTH - 118
    told = "; ".join(f"{bar.label}: {bar.shown}" for bar in bars)
    drawing = Drawing(WIDTH, row * len(bars) + 8, title, told, key)
    top = max((max(bar.value or 0.0, bar.high or 0.0) for bar in bars), default=0.0) or 1.0
    scale = Scale(0.0, top, left, right)
    for index, bar in enumerate(bars):
        y = 4 + row * index
        drawing.text(left - 10, y + 19, short(bar.label, 22), "t", "end")
        if bar.value is None:
            drawing.text(left, y + 19, "unknown", "t dim")
            continue
        end = scale(bar.value)
        drawing.rect(
            left, y + 6, max(end - left, 1.5), row - 12, f"bar {bar.style}", tip=f"{bar.label}: {bar.shown}", r=2
        )
        if bar.low is not None and bar.high is not None:
            drawing.line(scale(bar.low), y + row / 2, scale(bar.high), y + row / 2, "error")
            end = max(end, scale(bar.high))
        drawing.text(end + 8, y + 19, bar.shown, "t num")
    drawing.line(left, 2, left, row * len(bars) + 6, "axis")
    return drawing.render()


def draw_calibration(calibration: Calibration) -> Markup:
    """Draw how often answers are right against how sure the student is, with how many there are beneath."""
    drawing = Drawing(
        WIDTH, 400, "Calibration of the student's confidence", _tell_bins(calibration.bins), "calibration"
    )
    x, y = Scale(0, 1, 56, WIDTH - 16), Scale(0, 1, 286, 14)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(56, y(tick), WIDTH - 16, y(tick), "grid")
        drawing.text(48, y(tick) + 4, f"{tick:.0%}", "t num", "end")
        drawing.text(x(tick), 390, f"{tick:.0%}", "t num", "middle")
    drawing.line(x(0), y(0), x(1), y(1), "zero dashed")
    most = max(item.n for item in calibration.bins)
    for item in calibration.bins:
        _draw_bin(drawing, item, x, y, most)
    drawing.path([(x(b.mean_confidence), y(b.accuracy)) for b in calibration.bins], "curve student")
    drawing.text(62, 26, "right", "t dim")
    drawing.text(62, 316, "answers", "t dim")
    drawing.text(WIDTH - 16, 316, "confidence →", "t dim", "end")
    return drawing.render()


def _tell_bins(bins: Sequence[CalibrationBin]) -> str:
    return "; ".join(
        f"confidence {percent(b.mean_confidence, 0)}: right {percent(b.accuracy, 0)} of {b.n}" for b in bins
    )


def _draw_bin(drawing: Drawing, item: CalibrationBin, x: Scale, y: Scale, most: int) -> None:
    told = (
        f"confidence {percent(item.low, 0)} to {percent(item.high, 0)}: right {percent(item.accuracy)} of {item.n:,} "
        f"answers, mean confidence {percent(item.mean_confidence)}"
    )
    tall = 48 * item.n / most
    drawing.rect(x(item.low) + 2, 372 - tall, x(item.high) - x(item.low) - 4, tall, "bar student soft", tip=told, r=1)
    if item.accuracy_low is not None and item.accuracy_high is not None:
        at = x(item.mean_confidence)
        drawing.line(at, y(item.accuracy_low), at, y(item.accuracy_high), "whisker student")
    drawing.circle(x(item.mean_confidence), y(item.accuracy), 4.5, "dot student", told)


def draw_learning_curve(curve: LearningCurve) -> Markup:
    """Draw quality by training rows (logarithmic); forecast points are hollow."""
    told = "; ".join(f"{p.n:,} rows: {percent(p.value)}{' (forecast)' if p.is_forecast else ''}" for p in curve.points)
    drawing = Drawing(WIDTH, 300, f"{curve.metric} by training rows", told, "learning")
    known = [v for p in curve.points for v in (p.value, p.low, p.high) if v is not None]
    low, high = spread(known, 0.08, 0.01)
    sizes = [p.n for p in curve.points]
    x = Scale(min(sizes) * 0.8, max(sizes) * 1.25, 56, WIDTH - 16, is_log=True)
    y = Scale(max(low, 0), min(high, 1), 250, 16)
    _draw_grid(drawing, x, y, lambda v: percent(v, 0), compact)
    measured = [(x(p.n), y(p.value)) for p in curve.points if not p.is_forecast]
    forecast = measured[-1:] + [(x(p.n), y(p.value)) for p in curve.points if p.is_forecast]
    drawing.path(measured, "curve student")
    drawing.path(forecast, "curve student dashed")
    for p in curve.points:
        if p.low is not None and p.high is not None:
            drawing.line(x(p.n), y(p.low), x(p.n), y(p.high), "whisker student")
        style = "hollow" if p.is_forecast else "dot student"
        drawing.circle(x(p.n), y(p.value), 4.5, style, f"{p.n:,} rows: {percent(p.value)}")
    drawing.text(WIDTH - 16, 292, "training rows (log scale)", "t dim", "end")
    return drawing.render()


def draw_training(history: Sequence[TrainingPoint]) -> Markup:
    """Draw the losses by step."""
    drawing = Drawing(WIDTH, 260, "Loss during training", f"{len(history)} evaluations", "training")
    values = [v for p in history for v in (p.train_loss, p.validation_loss) if v is not None]
    low, high = spread(values or [0.0, 1.0], 0.06, 1e-3)
    steps = [p.step for p in history]
    x = Scale(min(steps), max(max(steps), min(steps) + 1), 56, WIDTH - 16)
    y = Scale(max(low, 0.0), high, 210, 16)
    _draw_grid(drawing, x, y, lambda v: f"{v:.3g}", compact)
    train = [(x(p.step), y(p.train_loss)) for p in history if p.train_loss is not None]
    validation = [(x(p.step), y(p.validation_loss)) for p in history if p.validation_loss is not None]
    drawing.path(train, "curve teacher", "training loss")
    drawing.path(validation, "curve student", "validation loss")
    for p in history:
        if p.validation_loss is not None:
            told = f"step {p.step:,}: validation loss {p.validation_loss:.3f}"
            drawing.circle(x(p.step), y(p.validation_loss), 3.5, "dot student", told)
    drawing.rect(60, 246, 14, 3, "bar teacher")
    drawing.text(80, 251, "training", "t dim")
    drawing.rect(150, 246, 14, 3, "bar student")
    drawing.text(170, 251, "validation", "t dim")
    drawing.text(WIDTH - 16, 251, "step", "t dim", "end")
    return drawing.render()


def _draw_grid(
    drawing: Drawing, x: Scale, y: Scale, write_y: Callable[[float], str], write_x: Callable[[float], str]
) -> None:
    for tick in y.ticks(5):
        drawing.line(x.start, y(tick), x.end, y(tick), "grid")
        drawing.text(x.start - 8, y(tick) + 4, write_y(tick), "t num", "end")
    for tick in x.ticks(5):
        drawing.text(x(tick), y.start + 18, write_x(tick), "t num", "middle")
