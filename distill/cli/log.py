"""`distill log`: what the gateway logged, counted, or as data for the next run."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import channels_option, json_option, print_json, runs_dir_option, state_dir_option


@click.group()
def command() -> None:
    """The gateway's request log of a channel."""


@command.command()
@click.argument("channel")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON-lines file.")
@click.option("--limit", type=click.IntRange(min=1), help="Rows at most, the hardest first.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Only requests of the last so many days.")
@state_dir_option
@runs_dir_option
@channels_option
def export(
    channel: str,
    output: Path,
    limit: int | None,
    days: float | None,
    state_dir: Path,
    runs_dir: Path,
    channels: str | None,
) -> int:
    """Write CHANNEL's requests as data for the next run, hard examples first, each distinct input once.

    \b
    distill log export production -o next.jsonl --limit 2000
    distill run my.yaml --set data.source=next.jsonl --set data.teacher_output=teacher_output
    """
    from distill.app.logbook import export_log

    rows = export_log(channel, output, state_dir=state_dir, runs_dir=runs_dir, limit=limit, days=days, place=channels)
    click.echo(f"{rows} rows in {output}", err=True)
    return 0


@command.command()
@click.argument("channel")
@state_dir_option
@json_option
def stats(channel: str, state_dir: Path, *, as_json: bool) -> int:
    """Count CHANNEL's requests by version, who answered and why."""
    from distill.app.logbook import count_log

    rows = count_log(channel, state_dir)
    if as_json:
        print_json({"channel": channel, "rows": rows})
        return 0
    from distill.cli.verdict import make_console, rows_table

    if rows:
        make_console().print(rows_table(rows))
    else:
        click.echo(f"no request of {channel!r} is logged", err=True)
    return 0


@command.command()
@click.argument("channel")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Only requests of the last so many days.")
@click.option("--version", metavar="CHANNEL@N", help="Only this version.")
@click.option("--set", "changes", multiple=True, metavar="costs.a=b", help="Another value of the run's costs section.")
@state_dir_option
@runs_dir_option
@channels_option
@json_option
def costs(
    channel: str,
    days: float | None,
    version: str | None,
    changes: tuple[str, ...],
    state_dir: Path,
    runs_dir: Path,
    channels: str | None,
    *,
    as_json: bool,
) -> int:
    """What CHANNEL's traffic really cost, what the teacher alone would have, and when it pays back; per version.

    \b
    distill log costs production --days 7
    distill log costs production --set costs.student.usd_per_hour=0.60
    """
    from distill.app.live_costs import read_changes, read_live_costs
    from distill.cli.terminal import printable
    from distill.reports.live import state_live

    found = read_live_costs(
        channel, state_dir=state_dir, runs_dir=runs_dir, place=channels, days=days, version=version,
        changes=read_changes(changes),
    )  # fmt: skip
    if as_json:
        print_json({"channel": channel, "versions": [one.to_json() for one in found]})
        return 0
    for one in found:
        click.echo(printable(state_live(one.to_json())))
        for warning in one.warnings:
            click.echo(f"  {printable(warning)}")
    return 0
