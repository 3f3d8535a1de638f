"""`distill doctor`: check the machine, and say what to do."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, state_dir_option

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False))
@state_dir_option
@json_option
def command(config: Path | None, state_dir: Path, *, as_json: bool) -> int:
    """Check Python, packages, memory, disk, devices, keys (present, never shown); with CONFIG its teacher and split."""
    from rich.console import Console
    from rich.markup import escape

    from distill.app.diagnosis import diagnose

    findings = diagnose(config, state_dir)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        console = Console(highlight=False)
        for finding in findings:
            console.print(f"{MARKS[finding.status]:<18} {finding.subject}: {escape(finding.message)}")
    return 2 if any(finding.status == "fail" for finding in findings) else 0
