"""`distill run`: bring a config's run up to date and end with the verdict."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from distill.cli.options import ask, budget_option, config_options, json_option, place_options, print_json, yes_option


@click.command()
@config_options
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@click.option("--from", "rerun_from", metavar="STAGE", help="Make this stage and all after it anew.")
@budget_option("Stop before a teacher call that could pass this.")
@place_options
@yes_option
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    until: str | None,
    rerun_from: str | None,
    budget: float | None,
    runs_dir: Path,
    state_dir: Path,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Run what is stale, skip what is whole, resume what was cut off; ends with the verdict.

    \b
    distill run configs/quickstart.yaml
    distill run configs/banking77.yaml --budget 10 --set student.epochs=3
    """
    from distill.app.composition import compose
    from distill.app.execute import execute
    from distill.app.spending import confirm_spending
    from distill.cli.load import load
    from distill.cli.progress import show_progress
    from distill.cli.verdict import print_outcome
    from distill.students import is_follower

    if is_follower():
        from distill.students.crew import follow

        follow()
        return 0
    composition = compose(load(config, overrides, runs_dir, state_dir), budget)
    confirm_spending(composition, until, ask=None if yes or as_json else ask)
    with lead_crew(), show_progress() as listener:
        outcome = execute(composition, listener, until=until, rerun_from=rerun_from)
    if as_json:
        print_json(dict(outcome.run.facts))
    else:
        print_outcome(outcome)
    return outcome.exit_code


@contextmanager
def lead_crew() -> Generator[None]:
    """Send home, at the end, the processes that a launcher started to help with the training."""
    from distill.students import has_followers

    try:
        yield
    finally:
        if has_followers():
            from distill.students.crew import dismiss

            dismiss()
