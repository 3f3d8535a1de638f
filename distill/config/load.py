"""A config file, variables and flags become one validated config, or one error with every mistake in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from distill.config.checks import Sections, check_sections, find_missing_engine, find_warnings
from distill.config.inclusions import include_files
from distill.config.overrides import apply_environment, apply_overrides, expand_variables
from distill.config.pipeline import PipelineConfig
from distill.config.secrets import find_secrets
from distill.config.tree import Path, Tree, Value, read_tree
from distill.config.wording import suggest, word_errors
from distill.errors import ConfigError, Problem
from distill.records.runtime import RuntimeConfig
from distill.teachers.config import TeacherConfig


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid config: `pipeline` is identity, `runtime` is not; relative paths in it start at `base_dir`."""

    pipeline: PipelineConfig
    runtime: RuntimeConfig
    base_dir: FilePath
    path: FilePath
    warnings: tuple[Problem, ...] = ()

    def with_runtime(self, runtime: RuntimeConfig) -> LoadedConfig:
        """Return the same config run in another way."""
        return replace(self, runtime=runtime)

    def with_pipeline(self, pipeline: PipelineConfig) -> LoadedConfig:
        """Return another pipeline with the same surroundings."""
        return replace(self, pipeline=pipeline)


def load_config(path: FilePath, overrides: Sequence[str], env: Mapping[str, str]) -> LoadedConfig:
    """Load a config file; DISTILL_* variables of `env` come over it, `--set` overrides over both.

    Raises:
        ConfigError: with every problem found, each with `file:line:col` or the flag it came from.
    """
    tree = read_tree(_read_text(path), str(path))
    if tree.value is None and not tree.problems:
        tree.problems.append(Problem(f"{path}:1:1", "", "the file is empty; start from a copy of one in configs/"))
    if tree.problems and tree.value is None:
        raise ConfigError(tree.problems)
    if not isinstance(tree.value, dict):
        raise ConfigError([Problem(tree.where(()), "", "expected sections (name:, task:, data:, ...)")])
    warnings = apply_environment(tree, env)
    apply_overrides(tree, overrides)
    expand_variables(tree, env)
    base_dir = path.absolute().parent
    secrets = find_secrets(tree)
    include_files(tree, base_dir)
    pipeline, runtime, problems, sections = _validate(tree)
    problems = sorted({*tree.problems, *secrets, *problems}, key=_reading_order)
    if problems or pipeline is None or runtime is None:
        raise ConfigError(problems)
    warnings += find_warnings(sections, tree, base_dir)
    return LoadedConfig(pipeline, runtime, base_dir, path, tuple(warnings))


def _validate(tree: Tree) -> tuple[PipelineConfig | None, RuntimeConfig | None, list[Problem], Sections]:
    values = dict(tree.value) if isinstance(tree.value, dict) else {}
    runtime_value = values.pop("runtime", None)
    problems: list[Problem] = []
    runtime = _try(RuntimeConfig, runtime_value if runtime_value is not None else {})
    if isinstance(runtime, ValidationError):
        problems += word_errors(runtime.errors(include_url=False), tree, _Root, ("runtime",))
    else:
        problems += find_missing_engine(runtime, tree)
    pipeline = _try(PipelineConfig, values)
    if isinstance(pipeline, ValidationError):
        found = [error for error in pipeline.errors(include_url=False) if error["loc"]]
        problems += word_errors(found, tree, _Root)  # of the whole, `check_sections` says what is wrong, with its place
    sections = _valid_sections(values)
    broken = {problem.path for problem in problems + tree.problems}
    problems += [problem for problem in check_sections(sections, tree) if problem.path not in broken]
    return (
        None if isinstance(pipeline, ValidationError) else pipeline,
        None if isinstance(runtime, ValidationError) else runtime,
        problems,
        sections,
    )


class _Root(PipelineConfig):
    """The whole file, for the names of its sections."""

    runtime: RuntimeConfig = RuntimeConfig()


def _valid_sections(values: dict[str, Value]) -> Sections:
    """Validate each section by itself, so that a mistake in one does not hide those of another."""
    found: dict[str, BaseModel] = {}
    for name, info in PipelineConfig.model_fields.items():
        model = info.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        if name not in values and info.is_required():
            continue
        section = _try(model, values.get(name, {}))
        if not isinstance(section, ValidationError):
            found[name] = section
    return Sections.of(found, _valid_teachers(values))


def _valid_teachers(values: dict[str, Value]) -> dict[Path, TeacherConfig]:
    """Return the teachers that are valid by themselves, by their place in the file."""
    listed = values.get("teachers")
    places: dict[Path, Value] = {("teacher",): values["teacher"]} if values.get("teacher") is not None else {}
    places |= {("teachers", index): value for index, value in enumerate(listed if isinstance(listed, list) else ())}
    tried = {path: _try(TeacherConfig, value) for path, value in places.items()}
    return {path: one for path, one in tried.items() if not isinstance(one, ValidationError)}


def _try(model: type[Any], value: Value) -> Any:  # noqa: ANN401  (a model or its ValidationError)
    """Validate as JSON and strictly: a list is a tuple and text may be a date, but "3" is no number."""
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return error


def _read_text(path: FilePath) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        names = sorted(entry.name for entry in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise ConfigError([Problem(str(path), "", f"no such file{suggest(path.name, names)}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), "", f"not UTF-8: {error.reason} at byte {error.start}")]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error}")]) from None


def _reading_order(problem: Problem) -> tuple[bool, str, int, int, str, str]:
    file, *numbers = problem.where.rsplit(":", 2)
    line, column = numbers if len(numbers) == 2 and all(n.isdigit() for n in numbers) else ("0", "0")
    return problem.where.startswith("--set"), file, int(line), int(column), problem.path, problem.message
