"""`distill runs`: all runs, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from distill.cli.options import json_option, print_json, runs_dir_option

if TYPE_CHECKING:
    from rich.table import Table

ROOMY_CHARS = 110
"""A terminal so wide shows teachers, too."""
GAP_CHARS = 2
FIGURES = ("quality", "verdict", "cost")


@click.command()
@runs_dir_option
@json_option
def command(runs_dir: Path, *, as_json: bool) -> int:
    """Table of runs: when, teacher, student, quality, verdict, cost."""
    from distill.app.summary import summarise_runs
    from distill.cli.verdict import make_console

    rows = summarise_runs(runs_dir)
    if as_json:
        print_json({"runs": rows})
    elif rows:
        console = make_console()
        console.print(draw(rows, console.width))
    else:
        click.echo(f"no runs under {runs_dir}; start one with: distill run CONFIG", err=True)
    return 0


def draw(rows: Sequence[Mapping[str, Any]], width_chars: int) -> Table:
    """Draw a line per run, however narrow the terminal is: long names are cut, ids and numbers never."""
    from rich.table import Table
    from rich.text import Text

    from distill.cli.terminal import printable
    from distill.cli.verdict import STYLES

    names = ["name", "student", "teacher"] if width_chars >= ROOMY_CHARS else ["name", "student"]
    figures = [_figures(row, named=width_chars >= ROOMY_CHARS) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, GAP_CHARS, 0, 0), caption="quality: student / teacher",
                  caption_justify="left")  # fmt: skip
    ids = max(len(row["run"]) for row in rows)
    widths = [max(len(title), *(len(one[place]) for one in figures)) for place, title in enumerate(FIGURES)]
    room = (width_chars - ids - sum(widths) - GAP_CHARS * (len(names) + len(FIGURES))) // len(names)
    table.add_column("run", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=max(6, room))
    for title in FIGURES:
        table.add_column(title, justify="right" if title == "cost" else "left", no_wrap=True)
    for row, (quality, verdict, cost) in zip(rows, figures, strict=True):
        said = [Text(printable(str(row[name]))) for name in names]
        table.add_row(row["run"], *said, quality, Text(verdict, STYLES.get(verdict, "")), cost)
    return table


def _figures(row: Mapping[str, Any], *, named: bool) -> tuple[str, str, str]:
    scores = [row["student_score"], row["teacher_score"]]
    quality = " / ".join("-" if score is None else f"{score:.3f}" for score in scores)
    metric = f" {row['metric']}" if named and row["metric"] else ""
    return quality + metric, row["verdict"] or "-", "?" if row["cost_usd"] is None else f"${row['cost_usd']:.2f}"
