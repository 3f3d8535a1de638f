"""`distill journal`: what was bought, whether it is whole, and its content."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distill.cli.options import config_options, json_option, print_json, state_dir_option
from distill.cli.terminal import printable

if TYPE_CHECKING:
    from distill.teachers import Journal


@click.group()
def command() -> None:
    """The journal of paid answers: its integrity, spend, and content."""


@command.command()
@config_options
@state_dir_option
@json_option
def verify(config: Path, overrides: tuple[str, ...], state_dir: Path, *, as_json: bool) -> int:
    """Check every stored answer and request against its hash; exit code 1 when something is wrong."""
    with _open(config, overrides, state_dir) as journal:
        problems = journal.verify()
        answered = journal.stats().answered
    if as_json:
        print_json({"whole": not problems, "answers": answered, "problems": problems})
    else:
        for problem in problems:
            click.echo(printable(problem))
        click.echo(f"{len(problems)} problems" if problems else f"whole: {answered} answers", err=True)
    return 1 if problems else 0


@command.command()
@config_options
@state_dir_option
@json_option
def stats(config: Path, overrides: tuple[str, ...], state_dir: Path, *, as_json: bool) -> int:
    """Totals: answers, attempts, tokens, dollars (wasted ones too), by model; who is at work on it."""
    with _open(config, overrides, state_dir) as journal:
        totals = asdict(journal.stats()) | {"workers": journal.workers()}
    if as_json:
        print_json(totals)
        return 0
    for name, value in totals.items():
        counts = ", ".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else None
        shown = f"{value:.6f}" if isinstance(value, float) else value
        click.echo(f"{name:<20} {(counts or '-') if counts is not None else shown}")
    return 0


@command.command()
@config_options
@state_dir_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: stdout.")
def export(config: Path, overrides: tuple[str, ...], state_dir: Path, output: Path | None) -> int:
    """Write every request with its state, answer and attempts as JSON lines, in order of key."""
    with _open(config, overrides, state_dir) as journal:
        lines = (json.dumps(entry, ensure_ascii=False) for entry in journal.export())
        if output is None:
            sys.stdout.writelines(f"{line}\n" for line in lines)
        else:
            with output.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
    return 0


@command.command()
@click.argument("source")
@click.argument("target")
@json_option
def migrate(source: str, target: str, *, as_json: bool) -> int:
    """Copy a journal: SOURCE and TARGET are URLs, sqlite:///PATH or postgresql://...

    The source is only read, both are verified, and a second migration copies what is new. `${NAME}` in a URL is
    the environment's variable; passwords are best left to PGPASSWORD or ~/.pgpass.

    \b
    distill journal migrate sqlite:///.distill/journal.db postgresql://team@db.example/distill
    distill journal migrate postgresql://team@db.example/distill sqlite:///copy.db
    """
    from distill.teachers import open_journal
    from distill.teachers.journal.migrate import migrate as copy

    source, target = _expand(source, target)
    with closing(open_journal(source, read_only=True)) as old, closing(open_journal(target)) as new:
        done = copy(old, new, lambda count: click.echo(f"{count} requests", err=True))
    if as_json:
        print_json(done._asdict())
    else:
        click.echo(f"{done.requests} requests read, {done.new_answers} answers new in the target, {done.notes} notes")
    return 0


def _expand(*urls: str) -> list[str]:
    """Put environment variables into two URLs.

    Raises:
        UsageError: one is not set, or both are the same.
    """
    from distill.errors import UsageError

    expanded = [os.path.expandvars(url) for url in urls]
    for url in expanded:
        if (missing := re.search(r"\$\{?(\w+)", url)) is not None:
            raise UsageError(f"the variable {missing.group(1)} in the URL is not set")
    if len(set(expanded)) < len(expanded):
        raise UsageError("source and target are the same journal")
    return expanded


@contextmanager
def _open(config: Path, overrides: tuple[str, ...], state_dir: Path) -> Generator[Journal]:
    """Open the journal that the config's runs use, for reading.

    Raises:
        UsageError: there is none yet.
    """
    from distill.cli.load import load
    from distill.errors import UsageError
    from distill.teachers import journal_url, open_journal
    from distill.teachers.journal import is_absent, journal_path

    url = journal_url(load(config, overrides, Path("runs"), state_dir).runtime)
    if is_absent(url):
        raise UsageError(f"no journal at {journal_path(url)}: nothing was bought yet (see --state-dir)")
    journal = open_journal(url, read_only=True)
    try:
        yield journal
    finally:
        journal.close()
