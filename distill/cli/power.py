"""`distill power`: how many held-out rows the gate's rules need. Spends nothing."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import config_options, json_option, place_options, print_json


@click.command()
@config_options
@click.option("--rows", type=click.IntRange(min=1), help="Held-out rows to plan for; default: those of the config.")
@click.option(
    "--discordant",
    "discordances",
    multiple=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of rows on which exactly one of student and teacher is right; may be given several times.",
)
@place_options
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    rows: int | None,
    discordances: tuple[float, ...],
    runs_dir: Path,
    state_dir: Path,
    *,
    as_json: bool,
) -> int:
    """Say per rule of CONFIG with which power this held-out set decides it, and how many rows would do."""
    from distill.app.composition import compose
    from distill.app.power import plan_power
    from distill.cli.curves import print_power
    from distill.cli.load import load

    plan = plan_power(compose(load(config, overrides, runs_dir, state_dir)), discordances, rows)
    if as_json:
        print_json(plan.to_json())
    else:
        print_power(plan)
    return 0
