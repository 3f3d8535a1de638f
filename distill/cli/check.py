"""`distill check`: the config's mistakes, all at once."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import config_options


@click.command()
@config_options
def command(config: Path, overrides: tuple[str, ...]) -> int:
    """Config errors only, all at once, as `file:line:col: path: message`."""
    from distill.cli.load import load

    loaded = load(config, overrides, Path("runs"), Path(".distill"))
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{config}: ok")
    return 0
