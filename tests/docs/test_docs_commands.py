"""The pages' commands run. A `$ ` line of a console block is executed, page by page, in the order it stands in.

A page says where: `<!-- commands run in: an empty directory -->` or `a finished run` (small.yaml, run once).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from distill.cli import group

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from small_project import Project, make_project  # noqa: E402

PAGES = sorted((ROOT / "docs").rglob("*.md"))
WHERE = re.compile(r"<!-- commands run in: (an empty directory|a finished run) -->")
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
VERDICTS = (0, 3, 4, 7)


def _commands(page: Path) -> list[str]:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def _mentions(page: Path) -> list[list[str]]:
    """Return every `distill ...` command line of a page's code, split into words."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"```(?:console|text|sh)\n(.*?)```", text, re.DOTALL)
    lines = [line.removeprefix("$ ").strip() for block in code for line in block.replace("\\\n", " ").splitlines()]
    return [
        shlex.split(line.split(" > ")[0].split(";")[0].split(" #")[0]) for line in lines if line.startswith("distill ")
    ]


RUN_PAGES = [page for page in PAGES if WHERE.search(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="session")
def finished_small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("docs") / "small")
    code, _, err = project.call("run", "small.yaml")
    assert code in VERDICTS, err
    return project


def _place(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    where = WHERE.search(page.read_text(encoding="utf-8"))
    assert where is not None
    if where.group(1) == "an empty directory":
        return tmp_path
    shutil.copytree(request.getfixturevalue("finished_small").directory, tmp_path / "work", symlinks=True)
    return tmp_path / "work"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.stem)
def test_a_page_s_commands_run(page, tmp_path, request):
    directory = _place(page, tmp_path, request)
    for command in _commands(page):
        words = shlex.split(command)
        argv = [sys.executable, "-m", *words] if words[0] == "distill" else words
        ran = subprocess.run(argv, cwd=directory, text=True, capture_output=True, timeout=280,
                             env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
        expected = VERDICTS if words[1:2] in (["gate"], ["rehearse"], ["run"]) else (0,)
        assert ran.returncode in expected, f"{command}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    names = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES]
    assert [name for name in names if name not in navigation and not name.startswith("decisions/")] == []


def test_enough_pages_have_commands_that_run():
    assert len(RUN_PAGES) >= 7
    assert sum(len(_commands(page)) for page in RUN_PAGES) >= 15


@pytest.mark.parametrize("page", [page for page in PAGES if _mentions(page)], ids=lambda page: page.stem)
def test_every_command_line_on_a_page_is_one_that_exists(page):
    for words in _mentions(page):
        try:
            _parse(words[1:])
        except click.UsageError as error:
            if "does not exist" in error.format_message():  # the file an example names, not the command
                continue
            pytest.fail(f"{page.name}: {' '.join(words)}: {error.format_message()}")


def test_a_command_that_does_not_exist_is_found():
    with pytest.raises(click.UsageError, match="No such option"):
        _parse(["run", "x.yaml", "--budgets", "3"])
    with pytest.raises(click.UsageError, match="No such command"):
        _parse(["runn", "x.yaml"])


def _parse(arguments: list[str]) -> None:
    """Parse a command line down to its last command, running nothing."""
    command: click.Command = group
    context = click.Context(command, info_name="distill")
    while isinstance(command, click.Group):
        name, command, arguments = command.resolve_command(context, arguments)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context)
    if "--help" not in arguments:
        command.parse_args(context, list(arguments))
