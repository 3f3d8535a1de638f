"""`distill compare`: two runs' students paired row by row, by the gate's own tests."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, runs_dir_option


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--metric", default="accuracy", show_default=True, help="What is compared.")
@click.option(
    "--margin", type=click.FloatRange(min=0, min_open=True), default=0.02, show_default=True, help="As good as."
)
@click.option("--system", help="student, cascade, ...; default: what each run's gate judged.")
@click.option(
    "--confidence", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), default=0.95, show_default=True
)
@runs_dir_option
@json_option
def command(
    first: str,
    second: str,
    metric: str,
    margin: float,
    system: str | None,
    confidence: float,
    runs_dir: Path,
    *,
    as_json: bool,
) -> int:
    """Compare run SECOND with run FIRST on the held-out rows both were judged on; refuse where those differ."""
    from distill.app.comparison import compare_pair
    from distill.app.runs import resolve_run
    from distill.cli.pairing import print_pair

    runs = resolve_run(first, runs_dir), resolve_run(second, runs_dir)
    found = compare_pair(*runs, metric=metric, margin=margin, system=system, confidence=confidence)
    if as_json:
        print_json(found.to_json())
    else:
        print_pair(found)
    return 0
