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
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Number type of merged and gguf; merging is always done in float32.",
)
@click.option("--device", default="cpu", show_default=True, help="Where weights are merged and read back.")
@runs_dir_option
@json_option
def command(run: str, form: Format, output: Path, dtype: Dtype, device: str, runs_dir: Path, *, as_json: bool) -> int:
    """Write RUN's student as plain weights, ONNX, GGUF or a vLLM adapter, with its card and its parity.

    \b
    distill export quickstart@latest --format onnx -o out/
    """
    from dataclasses import asdict

    from distill.app.export import export_run
    from distill.app.runs import resolve_run
    from distill.records.runtime import RuntimeConfig

    done = export_run(resolve_run(run, runs_dir), form, output, dtype, RuntimeConfig(device=device))
    parity = done.parity
    if as_json:
        print_json({"directory": str(done.directory), "parity": None if parity is None else asdict(parity)})
    elif parity is None:
        click.echo(f"wrote {done.directory}; parity: not measured, nothing here reads this form back")
    else:
        click.echo(f"wrote {done.directory}")
        click.echo(
            f"parity ({parity.form}): the same choice at {parity.agreement:.2%} of {parity.tokens} positions on "
            f"{parity.prompts} prompts; logits at most {parity.largest_logit_gap:.3g} apart, "
            f"{parity.mean_logit_gap:.3g} on average"
        )
        if not done.is_the_student:
            click.echo("this form is NOT the student that was judged: do not serve it in its place", err=True)
    return 0 if done.is_the_student else 3
