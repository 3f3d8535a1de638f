"""The launchers are thin: what they name exists, the shell in them is sound, and what can run here runs."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from fakes.free_port import find_port

from distill.cli import group

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration"))
from small_project import Project, make_project  # noqa: E402

LAUNCHERS = [ROOT / "scripts/launch_one_gpu.sh", ROOT / "scripts/slurm_sweep.sbatch", ROOT / "scripts/skypilot.yaml",
             ROOT / ".github/workflows/gate.yml"]  # fmt: skip
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SHELL = sorted([*(ROOT / "scripts").glob("*.sh"), *(ROOT / "scripts").glob("*.sbatch")])


def _commands(path: Path) -> list[list[str]]:
    """Return every `distill ...` line of a launcher, in its comments too, as words."""
    found = re.findall(
        r"(?:^|[ /])distill ((?:run|runs|sweep|plan|gate|report)\b[^|;\n]*)", path.read_text("utf-8"), re.M
    )
    return [shlex.split(re.sub(r"\s{2,}\S.*$| >> .*$|\\$", "", line), comments=True) for line in found]


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_every_command_and_flag_that_a_launcher_names_exists(path):
    commands = _commands(path)
    assert commands
    for name, *words in commands:
        command = group.get_command(click.Context(group), name)
        assert command is not None, name
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, (name, words)


def _steps(path: Path) -> list[dict[str, object]]:
    return [step for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_scripts_that_exist_and_pins_what_it_uses(path):
    for step in _steps(path):
        for name in re.findall(r"(?:scripts|configs)/[\w./-]+", str(step.get("run", ""))):
            assert (ROOT / name).is_file(), name
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", str(step["uses"])), step["uses"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_shell_of_a_workflow_is_sound_and_its_token_can_read_only(path):
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    for step in _steps(path):
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=str(step["run"]), text=True, capture_output=True)
            assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_release_is_a_wheel_an_sdist_a_bill_of_materials_and_their_hashes(tmp_path):
    pytest.importorskip("cyclonedx_py")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [ROOT / "scripts/make_release.sh", tmp_path]
    made = subprocess.run(
        command, env=os.environ | {"PATH": path, "BUILD": "--no-isolation"}, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    hashes = dict(reversed(line.split()) for line in (tmp_path / "SHA256SUMS").read_text("utf-8").splitlines())
    assert {Path(name).suffix for name in hashes} == {".whl", ".gz", ".json"}
    assert set(hashes) | {"SHA256SUMS"} == {path.name for path in tmp_path.iterdir()}
    for name, digest in hashes.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_scripts_are_executable_strict_and_pass_shellcheck(path):
    assert "set -euo pipefail" in path.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    if path.suffix == ".sh":
        assert os.access(path, os.X_OK)
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck here (Debian: apt-get install shellcheck)")
    done = subprocess.run(["shellcheck", "-x", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def _run(command: list[str], project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def test_one_gpu_passes_everything_on_and_sets_the_device(project):
    done = _run(["bash", str(LAUNCHERS[0]), "small.yaml", "--until", "split"], project.directory, DISTILL_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    assert "done until split" in done.stdout


@pytest.mark.slow
def test_two_processes_train_and_then_one_judges(project):
    command = ["bash", str(ROOT / "scripts/launch_multi_gpu.sh"), "small.yaml", "--set", "student.epochs=0.3"]
    done = _run(command, project.directory, PROCESSES="2", ACCELERATE_USE_CPU="true", HF_HUB_OFFLINE="1")
    assert done.returncode in (3, 4, 7), done.stdout + done.stderr
    assert "done until train" in done.stdout
    (gate,) = project.directory.glob("runs/small/latest/gate.json")
    assert gate.stat().st_size
    assert len(list(project.directory.glob(".distill/artifacts/train/*/training.json"))) == 1


SLURM = {
    "scontrol": 'case "$2" in hostnames) echo 127.0.0.1;; *) echo "  Command=$SBATCH_FILE small.yaml";; esac',
    "srun": 'exec bash "$@"',
}
"""What a cluster's commands say, on a cluster of this machine alone."""
CPUS_FOR_GPUS = """
import os, sys
if "RANK" in os.environ:
    sys.path.insert(0, os.environ["PYTHONPATH"].split(os.pathsep)[-1])
    from tests.unit.students.sharded_training import take_cpus_for_gpus
    take_cpus_for_gpus()
"""


@pytest.mark.slow
def test_a_slurm_job_shards_the_student_and_then_judges_it(project, tmp_path):
    (tmp_path / "bin").mkdir()
    for name, text in SLURM.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text(CPUS_FOR_GPUS, encoding="utf-8")
    script = ROOT / "scripts/slurm.sbatch"
    done = _run(
        ["bash", str(script), "small.yaml", "--set", "student.epochs=0.3"],
        project.directory,
        PATH=f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        PYTHONPATH=f"{tmp_path}:{ROOT}",
        SBATCH_FILE=str(script),
        SLURM_JOB_ID="7",
        SLURM_JOB_NODELIST="here",
        SLURM_NNODES="1",
        SLURM_GPUS_ON_NODE="2",
        MASTER_PORT=str(find_port()),
        FSDP="1",
        ACCELERATE_USE_CPU="true",
        HF_HUB_OFFLINE="1",
    )
    assert done.returncode in (3, 4, 7), done.stdout + done.stderr
    assert "done until train" in done.stdout
    said = "".join(path.read_text("utf-8") for path in project.directory.glob("runs/small/*/log.jsonl"))
    assert re.search(r'"event": "sharded".*"processes": 2|"processes": 2.*"event": "sharded"', said), said
    assert list(project.directory.glob("runs/small/latest/gate.json"))


def test_an_array_task_runs_its_own_combination(project):
    arguments = ["bash", str(LAUNCHERS[1]), "small.yaml", "--set", "data.seed=1,2,3", "--until", "split"]
    done = _run(arguments, project.directory, SLURM_ARRAY_TASK_ID="2")
    assert done.returncode == 0, done.stderr
    assert "data.seed=3" in done.stdout
    assert "data.seed=1" not in done.stdout
    assert "sbatch --array" in _run(arguments, project.directory).stderr


def test_the_rented_machine_installs_and_runs_what_is_here():
    task = yaml.safe_load(LAUNCHERS[2].read_text(encoding="utf-8"))
    assert {"resources", "setup", "run", "envs", "workdir"} <= task.keys()
    assert (ROOT / task["envs"]["CONFIG"]).is_file()
    for script in (task["setup"], task["run"]):
        assert subprocess.run(["bash", "-n", "-c", script]).returncode == 0


def _workflow() -> dict:
    return yaml.safe_load(LAUNCHERS[3].read_text(encoding="utf-8"))["jobs"]["gate"]


def test_the_workflow_pins_its_actions_and_names_a_config_that_exists():
    job = _workflow()
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) for name in uses)
    assert (ROOT / job["env"]["CONFIG"]).is_file()


@pytest.mark.parametrize(
    ("said", "expected", "ends"), [(0, 0, 0), (3, 3, 0), (3, 0, 3), (4, 3, 4), (0, 3, 1), (7, 3, 7)]
)
def test_the_gates_code_fails_the_pull_request(tmp_path, said, expected, ends):
    (tmp_path / "distill").write_text(f'#!/bin/sh\n[ "$1" = run ] && exit {said}\nexit 0\n', encoding="utf-8")
    (tmp_path / "distill").chmod(0o755)
    (step,) = [step["run"] for step in _workflow()["steps"] if step.get("name") == "Run and judge"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CONFIG": "c.yaml", "EXPECTED": str(expected),
                   "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}  # fmt: skip
    assert subprocess.run(["bash", "-e", "-c", step], env=environment, capture_output=True).returncode == ends


@pytest.mark.slow
def test_the_workflows_step_judges_a_real_run(project, tmp_path):
    (step,) = [step["run"] for step in _workflow()["steps"] if step.get("name") == "Run and judge"]
    variables = {"CONFIG": "small.yaml", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    surprised = _run(["bash", "-e", "-c", step], project.directory, EXPECTED="99", **variables)
    assert surprised.returncode in (3, 4, 7), surprised.stdout + surprised.stderr
    as_expected = _run(["bash", "-e", "-c", step], project.directory, EXPECTED=str(surprised.returncode), **variables)
    assert as_expected.returncode == 0, as_expected.stdout + as_expected.stderr
    assert "small" in (tmp_path / "summary").read_text(encoding="utf-8")
