"""`distill channels`: what each channel points at, and how it came there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import click

from distill.cli.options import channels_option, json_option, mlflow_option, print_json, state_dir_option


@click.command()
@click.argument("name", required=False)
@state_dir_option
@channels_option
@mlflow_option
@json_option
def command(name: str | None, state_dir: Path, channels: str | None, mlflow: str | None, *, as_json: bool) -> int:
    """Show all channels, or the history of one; its chain of hashes is checked on the way."""
    from distill.cli.verdict import make_console, rows_table
    from distill.engine.channels import Channels, describe_entry
    from distill.errors import UsageError

    place = channels or state_dir
    book = Channels(place)
    known = book.names()
    if name and name not in known:
        there = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise UsageError(f"no channel {name!r} in {place}; {there}; move one with: distill promote RUN")
    names = [name] if name else known
    histories = {one: book.history(one) for one in names}
    if mlflow is not None:
        from distill.app.registry import keep_in_step

        for one in names:
            click.echo(keep_in_step(mlflow, place, one, state_dir), err=True)
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
            "sunset": describe_sunset(entry.metadata),
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


def describe_sunset(metadata: Mapping[str, object]) -> str:
    """Say when the teacher or the base is switched off, and in how many days; empty: not known."""
    days = cast("Mapping[str, str | None]", metadata.get("sunset") or {})
    today = datetime.now(UTC).date()
    known = {what: date.fromisoformat(day[:10]) for what, day in days.items() if day}
    return ", ".join(f"{what} {day} ({(day - today).days} days)" for what, day in known.items())
