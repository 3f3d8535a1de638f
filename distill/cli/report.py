"""`distill report`: one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import channels_option, runs_dir_option


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@click.option(
    "--live", is_flag=True, help="Add what the run's student cost in traffic, from the gateway's request log."
)
@runs_dir_option
@channels_option
def command(
    runs: tuple[str, ...], output: Path | None, runs_dir: Path, channels: str | None, *, open_it: bool, live: bool
) -> int:
    """Write one self-contained HTML page of a RUN; several runs give a comparison (with .csv and .json beside it)."""
    from distill.app.reporting import write_comparison, write_report
    from distill.app.runs import resolve_run

    found = [resolve_run(run, runs_dir) for run in runs]
    if live and len(found) > 1:
        raise click.UsageError("--live: one run at a time")
    if live:
        from distill.app.live_costs import read_run_live_costs

        served = [one.to_json() for one in read_run_live_costs(found[0], place=channels)]
        path = write_report(found[0], output or Path(f"{found[0].id}-live.html"), served)
    elif len(found) == 1:
        path = write_report(found[0], output or found[0].directory / "report.html")
    else:
        path = write_comparison(found, output or Path("comparison.html"))
    click.echo(str(path))
    if open_it:
        click.launch(path.absolute().as_uri())
    return 0
