"""`distill monitor`: is what a channel serves still good? The exit code says so."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distill.cli.options import channels_option, json_option, print_json, state_dir_option

if TYPE_CHECKING:
    from distill.monitoring.health import Health

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
@channels_option
@json_option
def command(
    channel: str,
    interval_s: float,
    config_file: Path | None,
    state_dir: Path,
    channels: str | None,
    *,
    once: bool,
    as_json: bool,
) -> int:
    """Judge CHANNEL's current version from its request log: drift, disagreement, escalation.

    Exit code with --once: 0 healthy, 3 unhealthy, 4 too little data to say (that is never healthy). Without --once,
    --json prints one object a line.
    """
    from distill.app.live import check_channel, read_section
    from distill.monitoring.check import EXIT_CODES, describe_health
    from distill.monitoring.config import MonitorConfig

    config = read_section(config_file, MonitorConfig)
    while True:
        health = check_channel(channel, state_dir, config, channels)
        if not as_json:
            _print_health(health)
        elif once:
            print_json(describe_health(health))
        else:
            click.echo(json.dumps(describe_health(health), ensure_ascii=False))
        if once:
            return EXIT_CODES[health.status]
        time.sleep(interval_s)


def _print_health(health: Health) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for finding in health.findings:
        style = STYLES[finding.status]
        console.print(f"[{style}]{finding.status:<8}[/] {escape(finding.signal)}: {escape(finding.message)}")
    for action in health.actions:
        console.print(f"[bold]did[/]      {escape(action)}")
    console.print(f"[bold]{health.status.replace('_', ' ')}[/]: {escape(health.version)}")
