"""`distill curve`: what more rows would bring."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import ask, config_options, json_option, place_options, print_json, yes_option


@click.command()
@config_options
@click.option(
    "--fractions",
    default="0.0625,0.125,0.25,0.5,1",
    show_default=True,
    help="Parts of the kept rows, each within the next; a forecast needs five over 16x.",
)
@click.option("--more", "more_rows", type=click.IntRange(min=1), help="Forecast this many more rows; default: twice.")
@place_options
@yes_option
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    fractions: str,
    more_rows: int | None,
    runs_dir: Path,
    state_dir: Path,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Teach nested parts of CONFIG's rows, measure them on validation rows, and say what more rows would bring.

    \b
    distill curve configs/quickstart.yaml --fractions 0.0625,0.125,0.25,0.5,1
    """
    from distill.app.composition import compose
    from distill.app.curve import draw_curve, parse_fractions
    from distill.app.spending import confirm_spending
    from distill.cli.load import load
    from distill.cli.progress import show_progress

    wanted = parse_fractions(fractions)
    composition = compose(load(config, overrides, runs_dir, state_dir))
    confirm_spending(composition, "filter", ask=None if yes or as_json else ask)
    with show_progress() as listener:
        curve = draw_curve(composition, wanted, more_rows, listener)
    if as_json:
        print_json(curve.body)
        return 0
    for point in curve.body["points"]:
        click.echo(f"{point['rows']:>9,} rows  {point['accuracy']:.3f} [{point['low']:.3f}, {point['high']:.3f}]")
    click.echo(f"{curve.body['reason']}\n{curve.path}")
    return 0
