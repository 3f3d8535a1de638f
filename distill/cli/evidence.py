"""`distill evidence`: what a run can testify, as a folder that can be checked again."""

from __future__ import annotations

from pathlib import Path

import click

from distill.cli.options import json_option, print_json, runs_dir_option


@click.command()
@click.argument("run", required=False, metavar="RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="New directory to write.")
@click.option(
    "--verify", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Check such a directory."
)
@runs_dir_option
@json_option
def command(run: str | None, output: Path | None, folder: Path | None, runs_dir: Path, *, as_json: bool) -> int:
    """Write the evidence of a RUN: technical documentation, training-data summary, events, lineage, promotions.

    \b
    distill evidence quickstart@latest -o evidence/
    distill evidence --verify evidence/
    """
    from distill.app.evidence import verify_evidence, write_evidence
    from distill.app.runs import resolve_run
    from distill.errors import DataError

    if folder is not None and run is None:
        check = verify_evidence(folder)
        if as_json:
            print_json({"is_sound": check.is_sound, "problems": list(check.problems), "channels": check.channels})
        else:
            for problem in check.problems:
                click.echo(problem, err=True)
            chains = ", ".join(f"{name} ({one['versions']} versions)" for name, one in check.channels.items()) or "none"
            if check.is_sound:
                click.echo(f"{folder}: {check.files} files as written; chains hold: {chains}")
        return 0 if check.is_sound else DataError.exit_code
    if run is None or output is None or folder is not None:
        raise click.UsageError("give RUN and -o DIR, or --verify DIR")
    manifest = write_evidence(resolve_run(run, runs_dir), output)
    if as_json:
        print_json(manifest)
        return 0
    empty = ", ".join(manifest["empty_points_of_annex_iv"]) or "none"
    click.echo(f"{output}: {len(manifest['files'])} files; points of Annex IV left empty: {empty}")
    for stage in manifest["damaged_or_gone"]:
        click.echo(f"warning: the artifact of {stage} is damaged or gone; see lineage.json", err=True)
    return 0
