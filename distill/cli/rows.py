"""Rows of a table on a terminal, no wider than it is; columns that cannot stand side by side become a block a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from distill.cli.terminal import printable

GAP = 2
_LEAST = 8
"""Characters under which a cut cell says nothing."""
_MOST_CELL = 400
Rows = Sequence[Mapping[str, Any]]


def draw_rows(rows: Rows, names: Sequence[str], width: int) -> list[str]:
    """Return the lines of a table no wider than `width` characters; long cells are cut with an ellipsis."""
    if not rows or not names:
        return []
    cells = [[show_cell(row[name]) for name in names] for row in rows]
    natural = [max(cell_len(line[place]) for line in [list(names), *cells]) for place in range(len(names))]
    widths = share_width(natural, width - GAP * (len(names) - 1))
    if widths is None:
        return _draw_blocks(cells, names, width)
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in names]
    return [_line(line, widths, numeric) for line in [list(names), *cells]]


def share_width(natural: Sequence[int], width: int) -> list[int] | None:
    """Give each column its natural width, the widest ones less so that all fit; None where they cannot.

    All columns that are cut end at the same width, so that a long text never costs a short column anything.
    """
    if sum(min(wide, _LEAST) for wide in natural) > width:
        return None
    limit = max(natural)
    while sum(min(wide, limit) for wide in natural) > width:
        limit -= 1
    widths = [min(wide, limit) for wide in natural]
    for place, wide in enumerate(natural):  # what rounding has left goes to the first of the cut columns
        if wide > limit and sum(widths) < width:
            widths[place] += 1
    return widths


def show_cell(value: object) -> str:
    """Return a value as one line: nothing for null, pairs for a map, four digits of a fraction."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return printable(" ".join(f"{key}={item}" for key, item in value))
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= _MOST_CELL else text[: _MOST_CELL - 1] + "…"


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    placed = [_place(text, wide, right=right) for text, wide, right in zip(cells, widths, numeric, strict=True)]
    return (" " * GAP).join(placed).rstrip()


def _place(text: str, wide: int, *, right: bool) -> str:
    if cell_len(text) > wide:
        return set_cell_size(text, wide - 1) + "…"
    return " " * (wide - cell_len(text)) + text if right else set_cell_size(text, wide)


def _draw_blocks(cells: Sequence[Sequence[str]], names: Sequence[str], width: int) -> list[str]:
    """Return a block of `name value` lines per row; a value goes on under itself."""
    margin = max(len(name) for name in names) + GAP
    room = max(_LEAST, width - margin)
    lines: list[str] = []
    for number, row in enumerate(cells, 1):
        lines.append(f"── {number} ".ljust(min(width, 40), "─"))
        for name, text in zip(names, row, strict=True):
            parts = [text[start : start + room] for start in range(0, len(text), room)] or [""]
            lines += [f"{name if not place else '':<{margin}}{part}".rstrip() for place, part in enumerate(parts)]
    return lines
