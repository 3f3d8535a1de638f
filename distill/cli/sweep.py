"""`distill sweep`: several values, one comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from distill.cli.options import budget_option, config_argument, json_option, place_options, print_json

if TYPE_CHECKING:
    from distill.app.sweep import Point


@click.command()
@config_argument
@click.option(
    "--set", "overrides", multiple=True, metavar="a.b=c,d", help="Values to try, separated by commas; one value is set."
)
@click.option("--until", metavar="STAGE", help="Stop every run after this stage.")
@budget_option("Of the whole sweep: stop before a call that could pass it.")
@click.option("--only", type=int, metavar="N", help="Run combination N alone, from 0 (for array jobs).")
@click.option("--list", "list_only", is_flag=True, help="Show the combinations with their numbers; run nothing.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The comparison's page (.html).")
@place_options
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    until: str | None,
    budget: float | None,
    only: int | None,
    output: Path | None,
    runs_dir: Path,
    state_dir: Path,
    *,
    list_only: bool,
    as_json: bool,
) -> int:
    """Run CONFIG once per combination of values; what they share is made once; ends in one comparison.

    \b
    distill sweep configs/tiny.yaml --set student.epochs=2,4
    distill sweep my.yaml --set student.lora.rank=8,16,32 --set student.learning_rate=1e-4,3e-4 --budget 25
    distill sweep my.yaml --set student.lora.rank=8,16,32 --only 2

    Every run that reaches `evaluate` is a look at the held-out set, and each further look is judged more strictly.
    Exit code: 0 when some run may be promoted, else the best verdict's (4, 3, 7) or the first error's.
    """
    from distill.app.sweep import choose, list_varied, run_sweep, spread
    from distill.cli.load import load
    from distill.cli.progress import show_progress
    from distill.cli.verdict import make_console, rows_table

    points = spread(overrides)
    if list_only:
        for number, point in enumerate(points):
            click.echo(f"{number}  {_name(point)}")
        return 0
    varied = choose(list_varied(points), only)
    with show_progress() as listener:
        sweep = run_sweep(
            points,
            only,
            lambda point: load(config, point, runs_dir, state_dir),
            listener,
            lambda index: click.echo(f"[{index + 1}/{len(varied)}] {'  '.join(varied[index])}", err=True),
            until=until,
            budget_usd=budget,
            output=output,
        )
    rows = [point.to_json() for point in sweep.points]
    if as_json:
        print_json({"points": rows, "comparison": None if sweep.comparison is None else str(sweep.comparison)})
        return sweep.exit_code
    shown = [_describe(point, row) for point, row in zip(varied, rows, strict=True)]
    make_console().print(rows_table(shown, 200))
    if sweep.comparison is not None:
        click.echo(f"comparison  {sweep.comparison}")
    return sweep.exit_code


def _name(point: Point) -> str:
    return "  ".join(point) or "(as it is)"


def _describe(point: Point, row: Mapping[str, Any]) -> dict[str, object]:
    """Return a line of the table: what was set, and what came of it."""
    statuses = list(row["stages"].values())
    return {
        "values": _name(point),
        "verdict": row["verdict"] or row["error"] or "-",
        "validation loss": _show(row["validation"], "loss"),
        "per row": _show(row["validation"], "loss_per_row"),
        "run": row["run"] or "-",
        "made": statuses.count("ran"),
        "shared": statuses.count("cached"),
    }


def _show(validation: dict[str, float | None] | None, name: str) -> str:
    value = (validation or {}).get(name)
    return "-" if value is None else f"{value:.4g}"
