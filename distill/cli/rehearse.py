"""`distill rehearse`: the same run against the rehearsal teacher, for no money."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import config_options, json_option, place_options, print_json


@click.command()
@config_options
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@place_options
@json_option
def command(
    config: Path, overrides: tuple[str, ...], until: str | None, runs_dir: Path, state_dir: Path, *, as_json: bool
) -> int:
    """Run CONFIG against the rehearsal teacher, to prove config, prompts, parsing and gate before paying."""
    from distill.app.composition import compose
    from distill.app.execute import execute
    from distill.app.rehearsal import rehearsed
    from distill.cli.load import load
    from distill.cli.progress import show_progress
    from distill.cli.verdict import print_outcome

    loaded, known, is_stand_in = rehearsed(load(config, overrides, runs_dir, state_dir))
    if known == 0:
        click.echo("no row carries an answer (gold or recorded): the stand-in makes them up", err=True)
    with show_progress() as listener:
        outcome = execute(compose(loaded, is_rehearsal=is_stand_in), listener, until=until)
    if as_json:
        print_json(dict(outcome.run.facts))
    else:
        print_outcome(outcome)
    if not isinstance(loaded.pipeline.student.base, str):
        click.echo("the student is a random model built on the spot: this proves the road, not a student", err=True)
    return outcome.exit_code
