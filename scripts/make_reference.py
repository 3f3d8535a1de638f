"""Write docs/reference/ from the code: `scripts/make_reference.py`, or `--check` to exit 1 when a page is stale."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from distill import errors
from distill.cli import COMMANDS, group
from distill.config import PipelineConfig, RuntimeConfig
from distill.filters import FILTERS
from distill.metrics import METRICS
from distill.records.tables import TABLES

DOCS = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = "<!-- Made by scripts/make_reference.py; do not edit. -->\n"
EXIT_CODES = {
    0: "done; gate: **promote**; monitor: healthy",
    1: "unexpected error, damaged store or full disk",
    2: "usage or config error",
    3: "gate: **hold**; promotion refused; monitor: unhealthy",
    4: "gate: **inconclusive**",
    5: "stopped at the budget; the same command resumes",
    6: "the teacher cannot be used (key, model, sunset, terms, smoke test, connection)",
    7: "data error; gate: **invalid**",
    130: "interrupted (Ctrl-C); the same command resumes",
    143: "ended by SIGTERM; the same command resumes",
}


def list_models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the root and every model below it, each once, in the order of the fields."""
    found = [root]
    for field in root.model_fields.values():
        found += [model for inner in find_models(field.annotation) for model in list_models(inner)]
    return list(dict.fromkeys(found))


def find_models(annotation: object) -> list[type[BaseModel]]:
    """Return the models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in find_models(inner)]


def show_type(annotation: object) -> str:
    """Write an annotation as a reader of YAML would say it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " / ".join(f"`{value}`" for value in inner)
    if origin in (Union, UnionType):
        return " or ".join("null" if part is type(None) else show_type(part) for part in inner)
    if origin is tuple:
        return f"list of {show_type(inner[0])}"
    if origin is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {"str": "text", "int": "integer", "float": "number", "bool": "true / false"}.get(
        getattr(annotation, "__name__", ""), getattr(annotation, "__name__", str(annotation)).lower()
    )


def show_default(field: FieldInfo) -> str:
    """Write a field's default; `required` where there is none."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        return "`[" + ", ".join(getattr(item, "name", str(item)) for item in value) + "]`"
    if value is None:
        return "null"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def show_bounds(field: FieldInfo) -> str:
    """Write a field's bounds, or nothing."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [
        f"{sign} {getattr(rule, key)}" for rule in field.metadata for key, sign in signs.items() if hasattr(rule, key)
    ]
    return f" ({', '.join(bounds)})" if bounds else ""


def describe_model(model: type[BaseModel]) -> Iterator[str]:
    """Yield the lines of one model's table."""
    yield f"## {model.__name__}\n"
    yield f"{(inspect.getdoc(model) or '').strip()}\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        kind = (show_type(field.annotation) + show_bounds(field)).replace("|", "\\|")
        yield f"| `{field.alias or name}` | {kind} | {show_default(field)} | {meaning} |"
    yield ""


def make_config_page() -> str:
    """Return the page of the config: sections, `runtime`, filters and metrics."""
    lines = [MADE, "# Config reference\n", "Start at [PipelineConfig](#pipelineconfig), the file's top level.\n"]
    lines.append("Relative paths are relative to the config file. `distill schema` prints the same as JSON Schema.\n")
    for model in list_models(PipelineConfig):
        lines += describe_model(model)
    lines.append("The section `runtime` is never part of a run's identity:\n")
    lines += describe_model(RuntimeConfig)
    lines.append("## Filters\n\nBy name, or `{name: {option: value}}`.\n")
    lines.append("| filter | options (defaults) |\n|---|---|")
    for name, member in FILTERS.items():
        options = ", ".join(
            f"`{key}` ({show_default(field)})" for key, field in member.config_type.model_fields.items()
        )
        lines.append(f"| `{name}` | {options or 'none'} |")
    lines.append("\n## Metrics\n\n" + ", ".join(f"`{name}`" for name in METRICS) + ".\n")
    return "\n".join(lines)


def list_errors() -> list[type[errors.DistillError]]:
    """Return the error classes in the order of the file."""
    members = [value for value in vars(errors).values() if isinstance(value, type)]
    return [member for member in members if issubclass(member, errors.DistillError)]


def make_errors_page() -> str:
    """Return the page of exit codes and errors."""
    lines = [MADE, "# Exit codes and errors\n", "| code | meaning |\n|--:|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    lines.append(
        "\n`distill run` and `distill gate` end with the gate's code. An error is one line on stderr that says"
    )
    lines.append("what to do; `distill --debug ...` shows the traceback.\n")
    lines.append("| error | exit code | also a | when |\n|---|--:|---|---|")
    for error in list_errors():
        also = ", ".join(f"`{base.__name__}`" for base in error.__bases__ if base is not errors.DistillError)
        first = (inspect.getdoc(error) or "").splitlines()[0]
        lines.append(f"| `{error.__name__}` | {error.exit_code} | {also} | {first} |")
    kinds = ", ".join(f"`{kind}`" for kind in get_args(errors.TeacherErrorKind))
    return "\n".join([*lines, f"\n`TeacherError.kind` is one of: {kinds}.\n"])


def make_tables_page() -> str:
    """Return the page of the Parquet tables."""
    lines = [MADE, "# Tables\n", "The Parquet tables of the artifacts; also: `distill schema --tables`.\n"]
    for name, schema in TABLES.items():
        lines.append(f"## {name}\n\n| column | type | meaning |\n|---|---|---|")
        docs = [(field.name, field.type, (field.metadata or {}).get(b"doc", b"").decode()) for field in schema]
        lines += [f"| `{column}` | `{kind}` | {doc} |" for column, kind, doc in docs]
        lines.append("")
    return "\n".join(lines)


def make_cli_page() -> str:
    """Return the page of the commands, from their own `--help`."""
    lines = [
        MADE,
        "# Commands\n",
        "`distill` is the console script; `python -m distill` is the same. A RUN is a run directory, a run id,",
    ]
    lines.append("a unique prefix of one, or `NAME@latest`.\n")
    lines.append("| command | what it does |\n|---|---|")
    lines += [f"| [`distill {name}`](#distill-{name}) | {line} |" for name, (_, line) in COMMANDS.items()]
    parent = click.Context(group, **group.context_settings)
    for name, command in list_commands():
        context = click.Context(command, parent, info_name=name, terminal_width=100, max_content_width=100)
        lines.append(f"\n## {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n".join([*lines, ""])


def list_commands() -> list[tuple[str, click.Command]]:
    """Return every command and subcommand with its whole name, in the order of `--help`."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        found.append((f"distill {name}", command))
        if isinstance(command, click.Group):
            found += [(f"distill {name} {inner}", member) for inner, member in sorted(command.commands.items())]
    return found


def make_pages() -> dict[str, str]:
    """Return every page by file name."""
    return {
        "cli.md": make_cli_page(),
        "config.md": make_config_page(),
        "errors.md": make_errors_page(),
        "tables.md": make_tables_page(),
    }


def find_stale() -> list[str]:
    """Return the pages whose files do not say what the code says."""
    pages = make_pages()
    return [name for name, text in pages.items() if not (DOCS / name).is_file() or (DOCS / name).read_text() != text]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    if parser.parse_args().check:
        stale = find_stale()
        print("\n".join(f"docs/reference/{name} is stale; run: python scripts/make_reference.py" for name in stale))
        sys.exit(1 if stale else 0)
    DOCS.mkdir(parents=True, exist_ok=True)
    for name, text in make_pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
