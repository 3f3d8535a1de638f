"""Prompts from templates: Jinja2 in a sandbox, a missing column is an error, nothing is escaped.

Gold answers never reach a template: an example's `columns` do not hold them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from distill.errors import DataError, Problem
from distill.records.completion import Message
from distill.records.json import Json
from distill.records.training import Prompt
from distill.tasks.config import TaskConfig

TemplateName = Literal["system", "user", "student_system", "student_user"]
TEMPLATE_NAMES: tuple[TemplateName, ...] = ("user", "student_user", "system", "student_system")
TASK_VARIABLES = ("labels", "schema")
_MAX_PROMPT_CHARS = 10_000_000
_MAX_POWER = 10**6
_MAX_EXPONENT = 64


class TemplateProblem(NamedTuple):
    """A template that does not compile: which one, at which of its lines (from 1), and why."""

    template: TemplateName
    line: int
    message: str


def render_teacher(config: TaskConfig, columns: Mapping[str, Json]) -> tuple[Message, ...]:
    """Render the messages to the teacher: the system message where the task has one, then the user message.

    Raises:
        DataError: a template mentions a column the row does not have, or fails on its values.
    """
    user = Message("user", _render(config, "user", config.user, columns))
    if config.system is None:
        return (user,)
    return (Message("system", _render(config, "system", config.system, columns)), user)


def answer_schema(config: TaskConfig) -> Mapping[str, Json] | None:
    """Return the JSON Schema that the teacher is held to, where answers are JSON and the task has one."""
    return cast("Mapping[str, Json] | None", config.schema_) if config.output == "json" else None


def render_student(config: TaskConfig, id: str, columns: Mapping[str, Json]) -> Prompt:  # noqa: A002  (Prompt's word)
    """Render the student's prompt: `student_user` (default: `user`) and `student_system` (default: none).

    Raises:
        DataError: a template mentions a column the row does not have, or fails on its values.
    """
    if config.student_user is None:
        user = _render(config, "user", config.user, columns)
    else:
        user = _render(config, "student_user", config.student_user, columns)
    if config.student_system is None:
        return Prompt(id, user)
    return Prompt(id, user, _render(config, "student_system", config.student_system, columns))


def input_columns(config: TaskConfig) -> tuple[str, ...]:
    """Return the columns that the user templates mention, in order of first mention.

    Raises:
        DataError: a template does not compile.
    """
    names = [
        name
        for source in (config.user, config.student_user)
        if source is not None
        for name in _mentioned(source)
        if not _is_task_variable(config, name)
    ]
    return tuple(dict.fromkeys(names))


def template_columns(config: TaskConfig) -> dict[TemplateName, tuple[str, ...]]:
    """Return, for each template the task has, the columns it mentions in order.

    Raises:
        DataError: a template does not compile.
    """
    return {
        name: tuple(column for column in _mentioned(source) if not _is_task_variable(config, column))
        for name, source in _templates(config).items()
    }


def check_templates(config: TaskConfig) -> list[TemplateProblem]:
    """Return each template that does not compile, with the line inside it."""
    found: list[TemplateProblem] = []
    for name, source in _templates(config).items():
        try:
            _compile(source)
        except TemplateSyntaxError as error:
            found.append(TemplateProblem(name, error.lineno, error.message or "template syntax error"))
    return found


def describe_problem(problem: TemplateProblem, where: str) -> Problem:
    """Put a template problem into words: `where` is the place of the template, its own line is added."""
    return Problem(where, f"task.{problem.template}", f"template line {problem.line}: {problem.message}")


def _templates(config: TaskConfig) -> dict[TemplateName, str]:
    sources: dict[TemplateName, str | None] = {name: getattr(config, name) for name in TEMPLATE_NAMES}
    return {name: source for name, source in sources.items() if source is not None}


def _is_task_variable(config: TaskConfig, name: str) -> bool:
    return (name == "labels" and config.labels is not None) or (name == "schema" and config.schema_ is not None)


def _render(config: TaskConfig, name: TemplateName, source: str, columns: Mapping[str, Json]) -> str:
    known: dict[str, object] = {key: value for key, value in columns.items() if not _is_task_variable(config, key)}
    if config.labels is not None:
        known["labels"] = list(config.labels)
    if config.schema_ is not None:
        known["schema"] = config.schema_
    try:
        text = _compile(source).render(known)
    except TemplateSyntaxError as error:
        raise DataError(f"task.{name}: template line {error.lineno}: {error.message}") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise DataError(
            f"task.{name}: {error} (columns of this row: {', '.join(sorted(columns)) or 'none'})"
        ) from error
    if len(text) > _MAX_PROMPT_CHARS:
        raise DataError(f"task.{name}: the prompt has {len(text)} characters, more than {_MAX_PROMPT_CHARS}")
    return text


@lru_cache(maxsize=64)
def _mentioned(source: str) -> tuple[str, ...]:
    try:
        _compile(source)
    except TemplateSyntaxError as error:
        raise DataError(f"template line {error.lineno}: {error.message}") from error
    tree = _environment().parse(source)
    free = meta.find_undeclared_variables(tree)
    ordered = [node.name for node in tree.find_all(nodes.Name) if node.name in free]
    return tuple(dict.fromkeys(ordered))


@lru_cache(maxsize=64)
def _compile(source: str) -> Template:
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError:
        raise
    except (RecursionError, SyntaxError, ValueError, ArithmeticError) as error:
        raise TemplateSyntaxError(f"cannot be compiled: {error}", lineno=1) from error


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = _Sandbox(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    environment.filters["center"] = _limited_center
    del environment.globals["lipsum"]  # makes text of any length
    environment.filters["tojson"] = _to_json  # Jinja's own escapes < > & ' for HTML, which no model needs
    return environment


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox of Jinja2 with a lid on products: `"a" * 10**10` would fill the memory before it is measured."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401  (Jinja's)
        sized = [value for value in (left, right) if isinstance(value, str | bytes | list | tuple)]
        if operator == "**" and not _is_small_power(left, right):
            raise SecurityError("a power this large is not for prompts")
        if sized and isinstance(left if sized[0] is right else right, int):
            times = left if sized[0] is right else right
            if len(sized[0]) * max(times, 0) > _MAX_PROMPT_CHARS:
                raise SecurityError(f"a text of more than {_MAX_PROMPT_CHARS} characters is not for prompts")
        return super().call_binop(context, operator, left, right)


def _is_small_power(left: object, right: object) -> bool:
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        return False
    return abs(left) <= _MAX_POWER and abs(right) <= _MAX_EXPONENT


def _limited_center(value: str, width: int = 80) -> str:
    if width > _MAX_PROMPT_CHARS:
        raise SecurityError(f"a text of more than {_MAX_PROMPT_CHARS} characters is not for prompts")
    return str(value).center(width)


def _to_json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=False)
