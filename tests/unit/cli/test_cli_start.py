"""What every start of the command line must keep: cheap, listed, and wrong input named by its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distill.cli import COMMANDS, group

HEAVY = ("torch", "transformers", "peft", "openai", "sklearn")


def modules_after(arguments: list[str], cwd: Path) -> tuple[int, str, set[str]]:
    """Run the command line in a fresh interpreter; return its code, its stdout and the packages it imported."""
    script = (
        "import atexit, sys\n"
        "names = lambda: {name.partition('.')[0] for name in sys.modules}\n"
        "atexit.register(lambda: print(*names(), sep='\\n', file=sys.stderr))\n"
        "from distill.cli import main\n"
        f"main({arguments!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, set(done.stderr.splitlines())


def test_help_lists_every_command_and_loads_nothing_heavy(repo_root: Path) -> None:
    code, out, modules = modules_after(["--help"], repo_root)
    assert code == 0
    assert [name for name in COMMANDS if f"  {name} " not in out] == []
    assert modules & {*HEAVY, "pyarrow", "numpy", "pydantic", "rich"} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, cli) -> None:
    shown = cli(name, "--help")
    assert shown.code == 0
    assert shown.out.startswith(f"Usage: distill {name}")
    assert group.get_command(None, name).help  # type: ignore[arg-type]


def test_importing_the_package_is_free(repo_root: Path) -> None:
    script = "import sys, distill; assert callable(distill.load_run); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=repo_root, capture_output=True, text=True, timeout=60)
    assert {*HEAVY, "pyarrow", "numpy", "pydantic"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize("arguments", [["runs"], ["gate", "x@latest"], ["log", "stats", "production"]])
def test_commands_that_only_read_files_load_nothing_numerical(arguments: list[str], tmp_path: Path) -> None:
    _, _, modules = modules_after(arguments, tmp_path)
    assert "pydantic" in modules  # the command's own modules were loaded
    assert modules & {*HEAVY, "pyarrow", "numpy", "scipy", "jinja2", "yaml"} == set()


def test_plan_gives_the_contracts_keys_without_torch(repo_root: Path, tmp_path: Path) -> None:
    place = ["--runs-dir", str(tmp_path / "runs"), "--state-dir", str(tmp_path / "state")]
    code, out, modules = modules_after(["plan", "configs/tiny.yaml", "--json", *place], repo_root)
    plan = json.loads(out)
    assert code == 0
    assert {"stages", "cost_usd", "calls", "power", "warnings"} <= plan.keys()
    assert {"stage", "key", "status", "why"} <= plan["stages"][0].keys()
    assert plan["cost_usd"].keys() >= {"low", "high"}
    assert all(stage["status"] == "will run" for stage in plan["stages"])
    assert modules & {"torch", "transformers", "peft"} == set()


def test_the_configs_of_this_repository_are_right(repo_root: Path, cli) -> None:
    for config in sorted((repo_root / "configs").glob("*.yaml")):
        checked = cli("check", config)
        assert (checked.code, checked.out) == (0, f"{config}: ok\n"), checked.err


def test_schema_knows_the_sections_and_refuses_others(cli) -> None:
    schema = json.loads(cli("schema").out)
    sections = {"name", "task", "data", "teacher", "filters", "student", "evaluate", "gate", "costs", "runtime"}
    assert sections <= schema["properties"].keys()
    assert schema["additionalProperties"] is False


def test_every_column_of_every_table_is_described(cli) -> None:
    tables = json.loads(cli("schema", "--tables").out)
    assert {"examples", "completions", "predictions"} <= tables.keys()
    assert [(name, column) for name, columns in tables.items() for column in columns if not column["doc"]] == []


def test_all_mistakes_come_at_once_each_with_its_place(repo_root: Path, tmp_path: Path, cli) -> None:
    text = (repo_root / "configs" / "tiny.yaml").read_text().replace("../examples", str(repo_root / "examples"))
    path = tmp_path / "bad.yaml"
    text = re.sub(r"^  epochs: .*$", "  epoch: 2", text, flags=re.MULTILINE)
    text = re.sub(r"^  max_output_tokens: .*$", "  max_output_tokens: 0", text, flags=re.MULTILINE)
    path.write_text(text)
    lines = text.splitlines()
    checked = cli("check", path)
    assert checked.code == 2
    epoch, tokens = lines.index("  epoch: 2") + 1, lines.index("  max_output_tokens: 0") + 1
    assert f"{path}:{epoch}:3: student.epoch" in checked.err
    assert "did you mean 'epochs'" in checked.err
    assert f"{path}:{tokens}:22: teacher.max_output_tokens" in checked.err


@pytest.mark.parametrize(
    "arguments",
    [("gate", "nope"), ("report", "nope"), ("inspect", "nope", "filter"), ("promote", "nope"), ("frobnicate",),
     ("serve", "nope"), ("monitor", "nope", "--once"), ("check", "nope.yaml"), ("gate", "nope@latest")],
)  # fmt: skip
def test_what_is_not_there_is_a_usage_error(
    arguments: tuple[str, ...], cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = cli(*arguments)
    assert failed.code == 2
    assert arguments[-1 if arguments[0] == "frobnicate" else 1] in failed.err
    assert "Traceback" not in failed.err
