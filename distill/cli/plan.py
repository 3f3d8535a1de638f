"""`distill plan`: what a run would do, cost and be able to decide. Spends nothing."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import config_options, json_option, place_options, print_json


@click.command()
@config_options
@place_options
@json_option
def command(config: Path, overrides: tuple[str, ...], runs_dir: Path, state_dir: Path, *, as_json: bool) -> int:
    """Say per stage whether it is cached or will run and why; estimate calls, dollars, time and the gate's power."""
    from distill.app.composition import compose
    from distill.app.outlook import look_ahead
    from distill.cli.load import load
    from distill.cli.verdict import make_console, rows_table

    loaded = load(config, overrides, runs_dir, state_dir)
    outlook = look_ahead(compose(loaded), [str(problem) for problem in loaded.warnings])
    if as_json:
        print_json(outlook.to_json())
        return 0
    console = make_console()
    console.print(
        rows_table([{"stage": s.stage, "status": s.status, "why": "; ".join(s.why)} for s in outlook.stages], 100)
    )
    console.print(outlook.describe_spending())
    if outlook.again is not None:
        console.print(outlook.again.describe())
    console.print(outlook.destination, markup=False)
    console.print(outlook.engine, markup=False)
    if outlook.power:
        console.print(rows_table([dict(row) for row in outlook.power]))
    for line in outlook.power_unknown:
        console.print(line, markup=False, soft_wrap=True)
    for warning in outlook.warnings:
        console.print(f"[yellow]warning:[/] {warning}", markup=True)
    return 0
