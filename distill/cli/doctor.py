"""`distill doctor`: check the machine, and say what to do."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, state_dir_option

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--offline", is_flag=True, help="Ask neither the hub nor the teacher.")
@state_dir_option
@json_option
def command(config: Path | None, state_dir: Path, *, offline: bool, as_json: bool) -> int:
    """Check Python, packages, GPU, memory, disk, keys (present, never shown), hub and clock; with CONFIG its teacher.

    \b
      distill doctor
      distill doctor configs/banking77.yaml
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from distill.app.diagnosis import diagnose

    findings = diagnose(config, state_dir, offline=offline)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        table = Table.grid(padding=(0, 2))
        for finding in findings:
            table.add_row(MARKS[finding.status], escape(finding.subject), escape(finding.message))
        Console(highlight=False).print(table)
    return 2 if any(finding.status == "fail" for finding in findings) else 0
