"""A drawing: shapes with CSS classes, escaped text, a title and description for screen readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from distill.reports.wording import clip

LABEL_CHARS = 44


def fixed(value: float) -> str:
    """Write a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


@dataclass(slots=True)
class Drawing:
    """Shapes on a canvas of `width` x `height` units; `title` and `description` are read aloud."""

    width: float
    height: float
    title: str
    description: str
    key: str
    parts: list[str] = field(default_factory=list[str])

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line."""
        self.parts.append(
            f'<line x1="{fixed(x1)}" y1="{fixed(y1)}" x2="{fixed(x2)}" y2="{fixed(y2)}" class="{style}"/>'
        )

    def rect(self, x: float, y: float, width: float, height: float, style: str, *, tip: str = "", r: float = 0) -> None:
        """Draw a box; `tip` is its tooltip."""
        corner = f' rx="{fixed(r)}"' if r else ""
        size = f'width="{fixed(max(width, 0))}" height="{fixed(max(height, 0))}"'
        self._shape("rect", f'x="{fixed(x)}" y="{fixed(y)}" {size}{corner} class="{style}"', tip)

    def shade(self, x: float, y: float, width: float, height: float, style: str, strength: float, tip: str) -> None:
        """Draw a box whose opacity is `strength` in [0, 1]."""
        size = f'width="{fixed(width)}" height="{fixed(height)}"'
        body = f'x="{fixed(x)}" y="{fixed(y)}" {size} class="{style}" fill-opacity="{strength:.2f}"'
        self._shape("rect", body, tip)

    def circle(self, x: float, y: float, r: float, style: str, tip: str = "") -> None:
        """Draw a dot."""
        self._shape("circle", f'cx="{fixed(x)}" cy="{fixed(y)}" r="{fixed(r)}" class="{style}"', tip)

    def diamond(self, x: float, y: float, r: float, style: str, tip: str = "") -> None:
        """Draw a diamond."""
        corners = ((x, y - r), (x + r, y), (x, y + r), (x - r, y))
        joined = " ".join(f"{fixed(a)},{fixed(b)}" for a, b in corners)
        self._shape("polygon", f'points="{joined}" class="{style}"', tip)

    def path(self, points: Sequence[tuple[float, float]], style: str, tip: str = "") -> None:
        """Draw a line through points."""
        if points:
            joined = "L".join(f"{fixed(x)} {fixed(y)}" for x, y in points)
            self._shape("path", f'd="M{joined}" class="{style}"', tip)

    def area(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Fill the shape through points."""
        if points:
            joined = "L".join(f"{fixed(x)} {fixed(y)}" for x, y in points)
            self.parts.append(f'<path d="M{joined}Z" class="{style}"/>')

    def text(self, x: float, y: float, words: str, style: str = "t", anchor: str = "start", turn: int = 0) -> None:
        """Write words; `anchor` is start, middle or end; `turn` is in degrees."""
        where = f'x="{fixed(x)}" y="{fixed(y)}"'
        turned = f' transform="rotate({turn} {fixed(x)} {fixed(y)})"' if turn else ""
        end = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text {where}{turned}{end} class="{style}">{escape(words)}</text>')

    def _shape(self, name: str, attributes: str, tip: str) -> None:
        if tip:
            self.parts.append(f"<{name} {attributes}><title>{escape(tip)}</title></{name}>")
        else:
            self.parts.append(f"<{name} {attributes}/>")

    def render(self) -> Markup:
        """Return the drawing as markup."""
        head = (
            f'<svg class="plot" viewBox="0 0 {fixed(self.width)} {fixed(self.height)}" role="img" '
            f'aria-labelledby="{self.key}-t {self.key}-d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{self.key}-t">{escape(self.title)}</title>'
            f'<desc id="{self.key}-d">{escape(self.description)}</desc>'
        )
        return Markup(head + "".join(self.parts) + "</svg>")  # noqa: S704 every text above is escaped


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values in [low, high] to pixels in [start, end], linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values outside are put at the edge."""
        clamped = min(max(value, self.low), self.high)
        if self.is_log:
            share = (math.log(clamped) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (clamped - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Return round values inside the range."""
        if self.is_log:
            return _log_ticks(self.low, self.high)
        step = _round_step((self.high - self.low) / max(wanted, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def _round_step(raw: float) -> float:
    size = 10.0 ** math.floor(math.log10(raw))
    return next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= raw - 1e-12)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    multiples = (1,) if len(decades) > 4 else (1, 3) if len(decades) > 2 else (1, 2, 5)
    values = [m * 10.0**decade for decade in decades for m in multiples]
    return [value for value in values if low <= value <= high]


def spread(values: Sequence[float], pad: float = 0.08, least: float = 1e-9) -> tuple[float, float]:
    """Return a range around values with some air, never empty."""
    low, high = min(values), max(values)
    air = max((high - low) * pad, least)
    return low - air, high + air


def short(label: str, limit: int = LABEL_CHARS) -> str:
    """Cut a label to fit beside a plot."""
    text = clip(label, limit * 4).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"
