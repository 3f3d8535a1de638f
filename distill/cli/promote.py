"""`distill promote`: move a channel onto a run's student."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import runs_dir_option


@click.command()
@click.argument("run")
@click.option("--channel", default="production", show_default=True, help="Which channel.")
@click.option("--force", is_flag=True, help="Promote against the gate's word; needs --reason.")
@click.option("--reason", help="Why; kept in the channel's history.")
@runs_dir_option
def command(run: str, channel: str, reason: str | None, runs_dir: Path, *, force: bool) -> int:
    """Move a channel onto RUN's student; refuses unless the gate said promote."""
    from distill.app.promotion import promote
    from distill.app.runs import resolve_run

    entry = promote(resolve_run(run, runs_dir), channel, force=force, reason=reason)
    click.echo(f"channel {channel!r} is at version {entry.version}: {entry.target}")
    return 0
