"""Wheel and sdist, built and installed into an empty environment: what a user without torch gets."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from small_project import Project

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
VERDICTS = (0, 3, 4, 7)


def _do(command: list[object], **options: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, **options)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    done = _do([sys.executable, "-m", "build", "--no-isolation", "-q", "-o", out, ROOT])
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel and its core dependencies, and nothing else."""
    home = tmp_path_factory.mktemp("empty") / "env"
    venv.create(home, with_pip=True)
    (wheel,) = built.glob("*.whl")
    quiet = ["-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    done = _do([home / "bin/python", "-m", "pip", "install", *quiet, wheel], timeout=280)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip(f"no package index in reach: {done.stderr.splitlines()[-1][:200]}")
    assert done.returncode == 0, done.stderr
    return home / "bin"


def test_the_archives_hold_what_they_should_and_no_more(built: Path):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"distill/py.typed", "distill/reports/templates/report.html.j2"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"distill"}
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert {"distill", "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= tops
    assert not tops & {"tests", ".ci", ".venv", "runs", ".distill", "elsewhere"}


def test_the_core_serves_reading_planning_and_judging_without_torch(installed: Path, finished: Project):
    def distill(*words: str) -> subprocess.CompletedProcess[str]:
        return _do([installed / "distill", *words], cwd=finished.directory)

    assert _do([installed / "python", "-c", "import torch"]).returncode == 1
    for words in (
        ("--version",),
        ("check", "small.yaml"),
        ("plan", "small.yaml"),
        ("report", "small@latest", "-o", "again.html"),
        ("journal", "stats", "small.yaml"),
        ("journal", "verify", "small.yaml"),
        ("channels",),
        ("runs",),
        ("schema",),
        ("sweep", "small.yaml", "--set", "student.seed=1,2", "--list"),
    ):
        done = distill(*words)
        assert done.returncode == 0, (words, done.stderr)
    gated = distill("gate", "small@latest")
    assert gated.returncode in VERDICTS, gated.stderr
    assert gated.stdout


def test_what_needs_an_extra_says_which(installed: Path, finished: Project):
    done = _do([installed / "distill", "run", "small.yaml", "--set", "student.seed=99"], cwd=finished.directory)
    assert done.returncode != 0
    assert "pip install 'distill[" in done.stderr
    assert "Traceback" not in done.stderr
    shared = ["journal", "stats", "small.yaml", "--set", "runtime.journal=postgresql://u@127.0.0.1:9/d"]
    team = _do([installed / "distill", *shared], cwd=finished.directory)
    assert (team.returncode, "distill[postgres]" in team.stderr) == (2, True), team.stderr


def test_its_types_are_seen_by_a_checker(installed: Path, tmp_path: Path):
    (tmp_path / "use.py").write_text("import distill\nrun: int = distill.load_run('x')\n", encoding="utf-8")
    checker = [Path(sys.executable).parent / "pyright", "--pythonpath", installed / "python", tmp_path / "use.py"]
    done = _do(checker, cwd=tmp_path)
    assert "RunResults" in done.stdout, done.stdout + done.stderr
