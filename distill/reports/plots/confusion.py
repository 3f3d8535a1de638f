"""The confusion heat map: what was right down the side, what the student said along the top."""

from __future__ import annotations

from markupsafe import Markup

from distill.reports.model import Confusion
from distill.reports.plots.svg import Drawing, short

LEFT, TOP = 168, 132
MAX_CELL = 44
SPACE = 640


def draw_confusion(confusion: Confusion) -> Markup:
    """Draw the counts; the diagonal is what is right, all else is a mistake and stands out."""
    size = len(confusion.labels)
    cell = min(MAX_CELL, SPACE / size)
    told = "; ".join(f"{a} answered as {b}: {n}" for a, b, n in confusion.worst_pairs[:6]) or "no mistakes"
    drawing = Drawing(LEFT + cell * size + 60, TOP + cell * size + 8, "Confusion of labels", told, "confusion")
    for index, label in enumerate(confusion.labels):
        middle = cell * index + cell / 2
        drawing.text(LEFT - 8, TOP + middle + 4, short(label, 24), "t small", "end")
        drawing.text(LEFT + middle + 3, TOP - 8, short(label, 20), "t small", turn=-50)
    most_wrong = max((n for r, row in enumerate(confusion.counts) for c, n in enumerate(row) if r != c), default=0)
    for r, row in enumerate(confusion.counts):
        total = sum(row) or 1
        for c, n in enumerate(row):
            x, y = LEFT + cell * c, TOP + cell * r
            drawing.parts.append("")
            if n == 0:
                continue
            told = f"{confusion.labels[r]} answered as {confusion.labels[c]}: {n:,}"
            strength = n / total if r == c else 0.25 + 0.75 * n / (most_wrong or 1)
            drawing.shade(x + 0.5, y + 0.5, cell - 1, cell - 1, "right" if r == c else "wrong", strength, told)
            if cell >= 20:
                style = "t small num middle" if strength < 0.55 else "t small num middle over"
                drawing.text(x + cell / 2, y + cell / 2 + 4, f"{n}", style, "middle")
    drawing.parts = [part for part in drawing.parts if part]
    drawing.rect(LEFT, TOP, cell * size, cell * size, "frame")
    return drawing.render()
