"""`distill report`: one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import runs_dir_option


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@runs_dir_option
def command(runs: tuple[str, ...], output: Path | None, runs_dir: Path, *, open_it: bool) -> int:
    """Write one self-contained HTML page of a RUN; several runs give a comparison (with .csv and .json beside it)."""
    from distill.app.reporting import write_comparison, write_report
    from distill.app.runs import resolve_run

    found = [resolve_run(run, runs_dir) for run in runs]
    if len(found) == 1:
        path = write_report(found[0], output or found[0].directory / "report.html")
    else:
        path = write_comparison(found, output or Path("comparison.html"))
    click.echo(str(path))
    if open_it:
        click.launch(path.absolute().as_uri())
    return 0
