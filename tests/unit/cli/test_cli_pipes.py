"""Output whose reader has left: `distill gate RUN | head -1` ends as `distill gate RUN` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Project


def end_without_a_reader(arguments: list[str], cwd: Path, *, with_stderr: bool = False) -> tuple[int, str]:
    """Run a command into a pipe that nobody reads; give its exit code and what else it said."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "distill", *arguments]
    try:
        stderr = write if with_stderr else subprocess.PIPE
        done = subprocess.run(command, cwd=cwd, stdout=write, stderr=stderr, text=True, timeout=120, check=False)
    finally:
        os.close(write)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(("decision", "code"), [("promote", 0), ("hold", 3), ("inconclusive", 4)])
def test_the_exit_code_stays_the_verdicts(project: Project, decision: str, code: int) -> None:
    project.add_run("r1", decision)
    place = ["--runs-dir", str(project.runs_dir)]
    assert end_without_a_reader(["gate", "r1", "--json", *place], project.root) == (code, "")


def test_a_table_that_nobody_reads_ends_well(project: Project) -> None:
    project.add_run("r1")
    assert end_without_a_reader(["runs", "--runs-dir", str(project.runs_dir)], project.root) == (0, "")


def test_an_output_of_many_buffers_ends_well(repo_root: Path) -> None:
    assert end_without_a_reader(["schema"], repo_root) == (0, "")
    assert end_without_a_reader(["--help"], repo_root) == (0, "")


def test_an_error_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    assert end_without_a_reader(["gate", "nosuch"], tmp_path, with_stderr=True)[0] == 2


def test_a_reader_that_takes_the_first_line_gets_it(repo_root: Path) -> None:
    command = [sys.executable, "-m", "distill", "schema"]
    with subprocess.Popen(command, cwd=repo_root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "{\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
