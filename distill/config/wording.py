"""What pydantic found wrong, in words: the path as the file has it, what is wrong, the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from distill.config.secrets import hide_secrets
from distill.config.tree import Path, Tree, show_path
from distill.errors import Problem
from distill.filters import FILTERS

_TYPES = {
    "string_type": "text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section",
    "model_type": "a section",
    "model_attributes_type": "a section",
    "date_type": "a date (YYYY-MM-DD)",
    "date_parsing": "a date (YYYY-MM-DD)",
    "date_from_datetime_parsing": "a date (YYYY-MM-DD)",
    "path_type": "a path",
}
_SECTION_TYPES = frozenset({"model_type", "model_attributes_type", "dict_type"})
_BOUNDS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}


def word_errors(errors: Iterable[ErrorDetails], tree: Tree, root: type[BaseModel], prefix: Path = ()) -> list[Problem]:
    """Turn pydantic's errors into problems; what a union's branches say of one value becomes one problem."""
    by_place: dict[Path, list[ErrorDetails]] = {}
    for error in errors:
        by_place.setdefault(_real_path(error, tree, prefix), []).append(error)
    problems: list[Problem] = []
    for path, group in by_place.items():
        inside = isinstance(tree.get(path), dict) and any(
            other[: len(path)] == path and other != path for other in by_place
        )
        if inside and all(error["type"] in _TYPES or error["type"] == "literal_error" for error in group):
            continue  # the other branch of a union took the section and says what is wrong inside it
        if group[0]["type"] == "too_short" and tree.get(path):
            continue  # the list is not empty: its items are wrong, and said to be
        problems.append(_word_group(path, group, tree, root))
    return problems


def suggest(word: str, known: Sequence[str]) -> str:
    """Return ` (did you mean 'x'?)`, or the known names when none is near."""
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if nearest:
        return f" (did you mean {nearest[0]!r}?)"
    return f" (known: {', '.join(known)})" if known else ""


def known_keys(root: type[BaseModel], path: Path, *, required: bool = False) -> list[str]:
    """Return the keys a section may have (or must have), as the file spells them."""
    models: list[type[BaseModel]] = [root]
    if len(path) > 2 and path[0] == "filters" and str(path[2]) in FILTERS:
        models, path = [FILTERS[str(path[2])].config_type], path[3:]
    for part in path:
        annotations = [_field_type(model, part) for model in models] if isinstance(part, str) else []
        models = [found for annotation in annotations for found in _models_in(annotation)] if annotations else models
    fields = [(info.alias or name, info) for model in models for name, info in model.model_fields.items()]
    return [name for name, info in fields if info.is_required() or not required]


def _field_type(model: type[BaseModel], key: str) -> object:
    for name, info in model.model_fields.items():
        if key in (info.alias, name):
            return info.annotation
    return None


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    if get_origin(annotation) in (Union, UnionType, tuple, list):
        return [model for inner in get_args(annotation) for model in _models_in(inner)]
    return []


def _real_path(error: ErrorDetails, tree: Tree, prefix: Path) -> Path:
    """Follow an error's location through the values; names of union branches stand for nothing in the file."""
    path = prefix
    location = error["loc"]
    for position, part in enumerate(location):
        here = tree.get(path)
        present = isinstance(here, dict) and part in here
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if option_of := _short_form(path, here, part):
            path = (*path, option_of, part)
        elif present or in_list or (position == len(location) - 1 and error["type"] == "missing"):
            path = (*path, part)
    return path


def _short_form(path: Path, here: object, part: object) -> str | None:
    """Return the filter that `part` is an option of, where the file has it as `{filter: {option: value}}`."""
    if len(path) != 2 or path[0] != "filters" or not isinstance(here, dict) or len(here) != 1:
        return None
    ((name, options),) = here.items()
    return name if isinstance(options, dict) and part in options else None


def _suggest_key(path: Path, tree: Tree, root: type[BaseModel]) -> str:
    """Suggest a key for an unknown one: a required one that is missing before any other."""
    section = tree.get(path[:-1])
    given = set(section) if isinstance(section, dict) else set[str]()
    missing = [key for key in known_keys(root, path[:-1], required=True) if key not in given]
    hint = suggest(str(path[-1]), missing)
    return hint if "did you mean" in hint else suggest(str(path[-1]), known_keys(root, path[:-1]))


def _word_group(path: Path, group: Sequence[ErrorDetails], tree: Tree, root: type[BaseModel]) -> Problem:
    kind = group[0]["type"]
    shown = show_path(path)
    if kind == "extra_forbidden":
        return Problem(tree.where(path, key=True), shown, f"unknown key{_suggest_key(path, tree, root)}")
    if kind == "missing":
        return Problem(tree.where(path[:-1], key=len(path) > 1), shown, "is required")
    return Problem(tree.where(path), shown, hide_secrets(_word_value(group, tree.get(path))))


def _word_value(group: Sequence[ErrorDetails], value: object) -> str:
    expected: list[str] = []
    options: list[str] = []
    others: list[str] = []
    for error in group:
        context = cast("Mapping[str, Any]", error.get("ctx") or {})
        if error["type"] == "literal_error":
            options += [
                option.strip().strip("'") for option in str(context["expected"]).replace(" or ", ", ").split(",")
            ]
        elif error["type"] in _TYPES:
            expected.append(_TYPES[error["type"]])
        else:
            others.append(_word_one(error, context))
    if others and not (set(expected) - {"a section"}):
        return "; ".join(dict.fromkeys(others))
    wanted = [*(repr(option) for option in options), *dict.fromkeys(expected)]
    hint = suggest(value, options) if isinstance(value, str) and options else ""
    hint = hint if "did you mean" in hint else ""
    if wanted == ["text"] and isinstance(value, (bool, int, float)):
        hint = " (quote it if text is meant)"
    return f"must be {' or '.join(wanted)}, not {_show(value)}{hint}"


def _word_one(error: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind in _BOUNDS:
        bound = next(iter(context.values()))
        return f"must be {_BOUNDS[kind]} {bound:g}, not {_show(error['input'])}"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return f"must match {context.get('pattern')}, not {_show(error['input'])}"
    return error["msg"][:1].lower() + error["msg"][1:]


def _show(value: object) -> str:
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
