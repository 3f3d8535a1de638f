"""The command line: argv in, exit code out, the only print. No logic here, and nothing heavy at import."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

import click

from distill import __version__
from distill.cli.terminal import printable
from distill.engine.interrupts import Interrupts, catch
from distill.errors import DistillError, InterruptedRunError, MissingExtraError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": (
        "distill.cli.run",
        "Run what is stale, skip what is whole, resume what was cut off; ends with the verdict.",
    ),
    "plan": (
        "distill.cli.plan",
        "Say what would run and why, what it would cost, and what the gate could decide; spends nothing.",
    ),
    "power": ("distill.cli.power", "How many held-out rows each rule of the gate needs, as a table and a curve."),
    "rehearse": ("distill.cli.rehearse", "The same run against the rehearsal teacher, for no money."),
    "check": ("distill.cli.check", "Config errors only, all at once."),
    "init": ("distill.cli.init", "Write a small task that runs at once, to be edited into yours."),
    "sweep": ("distill.cli.sweep", "Several values, a run for each, one comparison; shared stages are made once."),
    "gate": ("distill.cli.gate", "Print a run's decision; the exit code is the decision."),
    "report": ("distill.cli.report", "Write one self-contained HTML page; several runs give a comparison."),
    "compare": ("distill.cli.compare", "Pair two runs' students row by row, by the gate's own tests."),
    "runs": ("distill.cli.runs", "Table of runs: when, teacher, student, quality, verdict, cost."),
    "inspect": ("distill.cli.inspect", "Rows of a stage's table: e.g. what a filter dropped and why."),
    "promote": ("distill.cli.promote", "Move a channel onto a run's student; refuses unless the gate said promote."),
    "curve": ("distill.cli.curve", "Say what more rows would bring: nested parts taught, fitted, forecast."),
    "export": ("distill.cli.export", "Write a run's student as plain weights, ONNX, GGUF or a vLLM adapter."),
    "rollback": ("distill.cli.rollback", "Move a channel back to an earlier version."),
    "channels": ("distill.cli.channels", "Show channels and their history."),
    "evidence": (
        "distill.cli.evidence",
        "Write what a run can testify (AI Act headings), as a folder that can be checked.",
    ),
    "schema": ("distill.cli.schema", "JSON Schema of the config, for editors; or the tables' schemas."),
    "doctor": ("distill.cli.doctor", "Check the machine and say what to do."),
    "serve": ("distill.cli.serve", "OpenAI-compatible endpoint: student first, teacher when unsure."),
    "log": ("distill.cli.log", "The gateway's request log: counted, or as data for the next run."),
    "monitor": ("distill.cli.monitor", "Drift, disagreement, escalation; the exit code says healthy or not."),
    "journal": ("distill.cli.journal", "The journal's integrity, spend, and content."),
    "teacher": ("distill.cli.teacher", "The rehearsal teacher as a stand-alone server."),
}
"""Command -> module that holds `command`, and its line in `distill --help`."""


_EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "peft", "accelerate", "datasets", "evaluate", "safetensors"), "train"),
    **dict.fromkeys(("httpx", "huggingface_hub", "tokenizers", "sklearn"), "train"),
    **dict.fromkeys(("starlette", "uvicorn", "prometheus_client"), "serve"),
    **dict.fromkeys(("sqlalchemy", "psycopg"), "postgres"),
}
"""Package -> the extra that brings it."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return import_module(COMMANDS[cmd_name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="distill")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(context: click.Context, *, debug: bool) -> None:
    """Have a frontier model answer once, teach a small model, prove that it is ready.

    \b
    Start here:
      distill plan configs/quickstart.yaml      what would happen, and what it would cost
      distill run configs/quickstart.yaml       do it; ends with the verdict
      distill gate quickstart@latest            the decision again; the exit code is the decision
    """
    context.obj = {"debug": debug}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # theirs to mend, not the user's
    arguments = [argument for argument in arguments if argument != "--debug"]
    with catch() as interrupts:
        try:
            code = _carry_out(arguments, interrupts, debug=debug)
        except KeyboardInterrupt:  # while an error was being told
            code = _interrupted(interrupts)
        interrupts.close()
    sys.exit(code)


def _carry_out(arguments: list[str], interrupts: Interrupts, *, debug: bool) -> int:
    try:
        code = group.main(args=arguments, prog_name="distill", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(interrupts)
    except Exception as error:
        if debug and not isinstance(error, InterruptedRunError):
            raise
        if isinstance(error, InterruptedRunError) or interrupts.received is not None:
            return _interrupted(interrupts, error)
        return _tell(error)
    return code if isinstance(code, int) else 0


def _interrupted(interrupts: Interrupts, error: Exception | None = None) -> int:
    """Say that a signal ended the command; what else went wrong is what the signal has done."""
    said = str(error) if isinstance(error, InterruptedRunError) else "interrupted; run the same command again to resume"
    return _fail(said, interrupts.exit_code)


def _tell(error: Exception) -> int:
    if isinstance(error, DistillError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, ModuleNotFoundError):
        return _fail(_missing(error), 2)
    return _fail(f"unexpected {type(error).__name__}: {_one_line(error)}\nrun again with --debug for the traceback", 1)


def _missing(error: ModuleNotFoundError) -> str:
    """Say which extra brings a package that is not there; a core install has only what planning and reading need."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    return str(MissingExtraError(package, extra)) if extra else f"unexpected ModuleNotFoundError: {_one_line(error)}"


def _one_line(error: Exception, limit: int = 300) -> str:
    return " ".join(str(error).split())[:limit]


def _fail(message: str, code: int) -> int:
    for line in printable(message).splitlines():
        print(f"distill: {line}", file=sys.stderr)
    return code
