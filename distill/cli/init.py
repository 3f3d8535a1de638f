"""`distill init`: a small task that runs at once, to be edited into yours."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--from",
    "template",
    default="classify",
    show_default=True,
    metavar="TEMPLATE",
    help="classify, extract, answer, chat or logs.",
)
def command(directory: Path, template: str) -> int:
    """Write a small task into DIRECTORY: a config, rows, and the schema that editors use. Nothing is overwritten.

    \b
      distill init my-task --from extract
      cd my-task && distill rehearse distill.yaml

    \b
    classify  one label of a closed set; an encoder as the student
    extract   JSON fields out of text; a small language model
    answer    short answers that can be checked; a small language model
    chat      free text from chat logs; a small language model
    logs      recorded production logs with labels; nothing is bought
    """
    from distill.app.scaffold import scaffold

    for path in scaffold(directory, template):
        click.echo(f"wrote {path}")
    config = directory / "distill.yaml"
    click.echo(f"\nnow:   distill rehearse {config}     the whole road, for no money")
    click.echo(f"then:  edit teacher.model in {config}, and: distill plan {config}")
    return 0
