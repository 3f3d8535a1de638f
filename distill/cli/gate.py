"""`distill gate`: a run's decision; the exit code is the decision."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, runs_dir_option


@click.command()
@click.argument("run")
@runs_dir_option
@json_option
def command(run: str, runs_dir: Path, *, as_json: bool) -> int:
    """Print the decision of RUN (directory, id, prefix of one, or CONFIG@latest); exit with its code."""
    from distill.app.decisions import read_decision
    from distill.app.runs import resolve_run
    from distill.cli.verdict import print_gate
    from distill.records.decision import EXIT_CODES

    found = resolve_run(run, runs_dir)
    decision = read_decision(found)
    if as_json:
        print_json(decision)
    else:
        print_gate(decision)
    return EXIT_CODES[decision["decision"]]
