"""`distill monitor`: is what a channel serves still good? The exit code says so."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distill.cli.options import channels_option, json_option, print_json, runs_dir_option, state_dir_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distill.monitoring.health import Health
    from distill.records.json import Json

STYLES = {"ok": "green", "warn": "yellow", "alarm": "red", "no_data": "dim"}


@click.command()
@click.argument("channel")
@click.option("--once", is_flag=True, help="Check once and exit with the result; else again and again until Ctrl-C.")
@click.option("--every", "interval_s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with what counts as healthy, and what to do about it.",
)
@state_dir_option
@runs_dir_option
@channels_option
@json_option
def command(
    channel: str,
    interval_s: float,
    config_file: Path | None,
    state_dir: Path,
    runs_dir: Path,
    channels: str | None,
    *,
    once: bool,
    as_json: bool,
) -> int:
    """Judge CHANNEL's current version from its request log: drift, disagreement, escalation; and say what it costs.

    Exit code with --once: 0 healthy, 3 unhealthy, 4 too little data to say (that is never healthy). Without --once,
    --json prints one object a line.
    """
    from distill.app.live import check_channel, read_section
    from distill.app.live_costs import price_health
    from distill.monitoring.check import EXIT_CODES, describe_health
    from distill.monitoring.config import MonitorConfig

    config = read_section(config_file, MonitorConfig)
    while True:
        health = check_channel(channel, state_dir, config, channels)
        costs = price_health(health, state_dir=state_dir, runs_dir=runs_dir, place=channels).to_json()
        said = {**describe_health(health), "costs": costs}
        if not as_json:
            _print_health(health, costs)
        elif once:
            print_json(said)
        else:
            click.echo(json.dumps(said, ensure_ascii=False))
        if once:
            return EXIT_CODES[health.status]
        time.sleep(interval_s)


def _print_health(health: Health, costs: Mapping[str, Json]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from distill.reports.live import state_live

    console = Console(highlight=False, soft_wrap=True)
    for finding in health.findings:
        style = STYLES[finding.status]
        console.print(f"[{style}]{finding.status:<8}[/] {escape(finding.signal)}: {escape(finding.message)}")
    if health.spend.requests:
        console.print(f"costs    {escape(state_live(costs))}")
    for action in health.actions:
        console.print(f"[bold]did[/]      {escape(action)}")
    console.print(f"[bold]{health.status.replace('_', ' ')}[/]: {escape(health.version)}")
