"""`distill runs`: all runs, newest first."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, runs_dir_option


@click.command()
@runs_dir_option
@json_option
def command(runs_dir: Path, *, as_json: bool) -> int:
    """Table of runs: when, teacher, student, quality, verdict, cost."""
    from distill.app.summary import summarise_runs
    from distill.cli.verdict import make_console, rows_table

    rows = summarise_runs(runs_dir)
    if as_json:
        print_json({"runs": rows})
    elif rows:
        make_console().print(rows_table(rows))
    else:
        click.echo(f"no runs under {runs_dir}; start one with: distill run CONFIG", err=True)
    return 0
