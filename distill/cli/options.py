"""Options that several commands share, with one meaning each."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="a.b=c",
    help="Override a config value (YAML), e.g. gate.rules.0.margin=0.03.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else there."
)
runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="DISTILL_RUNS_DIR",
    show_default=True,
    help="Where run directories are.",
)
state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".distill"),
    envvar="DISTILL_STATE_DIR",
    show_default=True,
    help="Where artifacts, journal and channels are.",
)
channels_option = click.option(
    "--channels",
    envvar="DISTILL_CHANNELS",
    metavar="DIR_OR_URL",
    help="Where channels are: a shared directory or any fsspec URL.  [default: the state directory]",
)
mlflow_option = click.option(
    "--mlflow",
    envvar="DISTILL_MLFLOW",
    metavar="URI",
    help="Keep MLflow's model registry at this tracking URI in step.",
)
config_argument = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
yes_option = click.option("--yes", is_flag=True, help="Do not ask before spending money.")


def config_options(command: Command) -> Command:
    """Take a CONFIG and what overrides it."""
    return config_argument(set_option(command))


def place_options(command: Command) -> Command:
    """Take the directories of runs and state."""
    return runs_dir_option(state_dir_option(command))


def _refuse_endless(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no amount of dollars")
    return value


def budget_option(text: str) -> Callable[[Command], Command]:
    """Take a number of dollars."""
    amount = click.FloatRange(min=0)
    return click.option(
        "--budget", type=amount, callback=_refuse_endless, metavar="USD",
        help=text,
    )  # fmt: skip


def ask(question: str) -> bool:
    """Ask a person on stderr; Enter means yes."""
    return click.confirm(question, default=True, err=True)


def print_json(value: object) -> None:
    """Print one JSON object on stdout."""
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
