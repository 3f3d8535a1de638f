"""`distill promote`: move a channel onto a run's student."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from distill.cli.options import channels_option, mlflow_option, runs_dir_option


@click.command()
@click.argument("run")
@click.option("--channel", default="production", show_default=True, help="Which channel.")
@click.option("--force", is_flag=True, help="Promote against the gate's word; needs --reason.")
@click.option("--reason", help="Why; kept in the channel's history.")
@click.option(
    "--canary",
    "share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Give it this share of the traffic first; `distill monitor` promotes or withdraws it.",
)
@click.option(
    "--canary-rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with how the canary is judged (margin, confidence, max_audits, ...).",
)
@click.option("--base-sunset", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day the base is withdrawn.")
@runs_dir_option
@channels_option
@mlflow_option
def command(
    run: str,
    channel: str,
    reason: str | None,
    share: float | None,
    rules_file: Path | None,
    base_sunset: datetime | None,
    runs_dir: Path,
    channels: str | None,
    mlflow: str | None,
    *,
    force: bool,
) -> int:
    """Move a channel onto RUN's student; refuses unless the gate said promote and the student is what it saw.

    \b
    distill promote quickstart@latest
    distill promote quickstart@latest --canary 0.05
    """
    from distill.app.live import read_canary_rules
    from distill.app.promotion import Wish, promote
    from distill.app.runs import resolve_run

    rules = read_canary_rules(share, rules_file)
    sunset = None if base_sunset is None else base_sunset.date()
    found = resolve_run(run, runs_dir)
    entry = promote(found, Wish(channel, force, reason, channels, rules, sunset))
    if rules is not None:
        click.echo(f"channel {channel!r} has a canary, version {entry.version}, on {rules.share:.0%} of the keys")
    else:
        click.echo(f"channel {channel!r} is at version {entry.version}: {entry.target}")
    if mlflow is not None:
        from distill.app.registry import keep_in_step

        click.echo(keep_in_step(mlflow, channels or found.state_dir, channel, found.state_dir))
    return 0
