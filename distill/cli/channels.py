"""`distill channels`: what each channel points at, and how it came there."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, state_dir_option


@click.command()
@click.argument("name", required=False)
@state_dir_option
@json_option
def command(name: str | None, state_dir: Path, *, as_json: bool) -> int:
    """Show all channels, or the history of one; its chain of hashes is checked on the way."""
    from distill.cli.verdict import make_console, rows_table
    from distill.engine.channels import Channels, describe_entry

    channels = Channels(state_dir)
    names = [name] if name else channels.names()
    histories = {one: channels.history(one) for one in names}
    if as_json:
        print_json({one: [describe_entry(entry) for entry in entries] for one, entries in histories.items()})
        return 0
    rows = [
        {
            "channel": one,
            "version": entry.version,
            "action": entry.action,
            "when": entry.when[:19],
            "who": entry.who,
            "run": entry.metadata.get("run"),
            "why": entry.why,
        }
        for one, entries in histories.items()
        for entry in (reversed(entries) if name else entries[-1:])
    ]
    if rows:
        make_console().print(rows_table(rows))
    else:
        click.echo("no channel yet; move one with: distill promote RUN", err=True)
    return 0
