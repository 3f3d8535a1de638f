"""`distill rollback`: move a channel back."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import channels_option, mlflow_option, state_dir_option


@click.command()
@click.option("--channel", default="production", show_default=True, help="Which channel.")
@click.option(
    "--to", type=click.IntRange(min=1), metavar="VERSION", help="Version to restore; default: the previous one."
)
@click.option("--reason", default="rolled back by hand", help="Why; kept in the channel's history.")
@state_dir_option
@channels_option
@mlflow_option
def command(
    channel: str, to: int | None, reason: str, state_dir: Path, channels: str | None, mlflow: str | None
) -> int:
    """Undo a channel's last change: end its canary, else go back a version. That is a new version, nothing is lost."""
    from distill.app.promotion import rollback

    place = channels or state_dir
    entry = rollback(place, channel, to, reason)
    if entry.action == "withdraw":
        click.echo(f"channel {channel!r}: the canary, version {entry.restores}, is withdrawn; {entry.target} goes on")
    else:
        click.echo(f"channel {channel!r} is at version {entry.version}: version {entry.restores} again, {entry.target}")
    if mlflow is not None:
        from distill.app.registry import keep_in_step

        click.echo(keep_in_step(mlflow, place, channel, state_dir))
    return 0
