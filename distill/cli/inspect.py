"""`distill inspect`: rows of a stage's table."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, runs_dir_option


@click.command()
@click.argument("run")
@click.argument("stage")
@click.option("--table", help="Which of the stage's tables; default: the one with the reasons, else the first.")
@click.option("--where", metavar="EXPR", help="Comparison on columns, e.g. \"reason == 'refusal' and sample == 0\".")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Rows at most.")
@click.option("--columns", metavar="A,B|all", help="Columns to show; default: the telling ones.")
@runs_dir_option
@json_option
def command(
    run: str,
    stage: str,
    table: str | None,
    where: str | None,
    limit: int,
    columns: str | None,
    runs_dir: Path,
    *,
    as_json: bool,
) -> int:
    """Show rows of a STAGE's table in RUN: e.g. what a filter dropped and why.

    \b
    distill inspect quickstart@latest filter --where "reason == 'refusal'"
    distill inspect quickstart@latest evaluate --where "system == 'student' and correct == false"
    """
    from distill.app.inspection import choose_columns, inspect_stage
    from distill.app.runs import resolve_run
    from distill.cli.rows import draw_rows
    from distill.cli.verdict import make_console

    view = inspect_stage(
        resolve_run(run, runs_dir), stage, table, where, columns.split(",") if columns else None, limit
    )
    if as_json:
        print_json({"table": view.table, "matching": view.matching, "rows": view.rows})
        return 0
    names = list(view.rows[0]) if columns and view.rows else choose_columns(view)
    for line in draw_rows(view.rows, names, make_console().width):
        click.echo(line)
    left_out = len(view.rows[0]) - len(names) if view.rows else 0
    more = f"; {left_out} more columns with --columns all" if left_out else ""
    click.echo(f"{len(view.rows)} of {view.matching} matching rows ({view.total} in {view.table}){more}", err=True)
    return 0
