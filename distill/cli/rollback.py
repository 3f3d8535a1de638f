"""`distill rollback`: move a channel back."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import state_dir_option


@click.command()
@click.option("--channel", default="production", show_default=True, help="Which channel.")
@click.option(
    "--to", type=click.IntRange(min=1), metavar="VERSION", help="Version to restore; default: the previous one."
)
@click.option("--reason", default="rolled back by hand", help="Why; kept in the channel's history.")
@state_dir_option
def command(channel: str, to: int | None, reason: str, state_dir: Path) -> int:
    """Move a channel back to an earlier version; that is a new version, nothing is lost."""
    from distill.app.promotion import rollback

    entry = rollback(state_dir, channel, to, reason)
    click.echo(f"channel {channel!r} is at version {entry.version}: version {entry.restores} again, {entry.target}")
    return 0
