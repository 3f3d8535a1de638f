"""`distill export`: a run's student in the form a server wants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from distill.cli.options import json_option, print_json, runs_dir_option

if TYPE_CHECKING:
    from distill.students.exporting import Dtype, Format


@click.command()
@click.argument("run")
@click.option(
    "--format", "form", type=click.Choice(["merged", "onnx", "gguf", "vllm"]), required=True, help="Which form."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new folder.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16", "q8_0"]),
    default="float32",
    show_default=True,
    help="Number type that it is served in (q8_0: gguf only); merging is always done in float32.",
)
@click.option("--device", default="cpu", show_default=True, help="Where weights are merged and read back.")
@runs_dir_option
@json_option
def command(run: str, form: Format, output: Path, dtype: Dtype, device: str, runs_dir: Path, *, as_json: bool) -> int:
    """Write RUN's student as plain weights, ONNX, GGUF or a vLLM adapter, with its card and its parity.

    \b
    distill export quickstart@latest --format onnx -o out/
    """
    from distill.app.export import export_run
    from distill.app.runs import resolve_run
    from distill.records.runtime import RuntimeConfig

    done = export_run(resolve_run(run, runs_dir), form, output, dtype, RuntimeConfig(device=device))
    if as_json:
        print_json({"directory": str(done.directory), "parity": done.outcome.as_json()})
        return 0 if done.is_the_student else 3
    click.echo(f"wrote {done.directory}")
    for measured in done.outcome.forms:
        click.echo(f"parity ({measured.form}, run in {measured.number_type}): {measured}")
    if done.outcome.unmeasured is not None:
        click.echo(f"parity: not measured: {done.outcome.unmeasured}")
    if not done.is_the_student:
        click.echo("this form is NOT the student that was judged: do not serve it in its place", err=True)
    return 0 if done.is_the_student else 3
