"""`--set a.b=c`, DISTILL_* variables and `${ENV}`: values that do not stand in the file, put where they belong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from distill.config.tree import Path, Place, Tree, Value, place_all, read_tree, show_path
from distill.errors import Problem
from distill.records.runtime import RuntimeConfig

_PART = re.compile(r"(?:^|\.)([A-Za-z_][\w-]*|\d+)|\[(\d+)\]")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}")
_PREFIX = "DISTILL_"
_MAX_LISTED = 1000


def apply_override(tree: Tree, flag: str) -> None:
    """Put one `a.b[0].c=value` into the tree; a mistake goes to its problems under the flag's name."""
    target, equals, text = flag.partition("=")
    path = parse_path(target.strip())
    where = f"--set {target.strip()}"
    if not equals or path is None:
        message = "expected PATH=VALUE, for example gate.rules[0].margin=0.05"
        tree.problems.append(Problem("--set" if path is None else where, "", message))
        return
    value = read_value(tree, text, where, path)
    _put(tree, path, value, Place(where))


def apply_environment(tree: Tree, env: Mapping[str, str]) -> list[Problem]:
    """Put DISTILL_<FIELD> variables into `runtime`; return a warning for each that looks like a misspelt one."""
    fields = {f"{_PREFIX}{name.upper()}": name for name in RuntimeConfig.model_fields}
    warnings: list[Problem] = []
    for variable in sorted(env):
        if variable in fields:
            path: Path = ("runtime", fields[variable])
            value = read_value(tree, env[variable], variable, path)
            if fields[variable] == "tracking" and isinstance(value, str):
                words: list[Value] = [word.strip() for word in value.split(",") if word.strip()]
                value = words
            _put(tree, path, value, Place(variable))
        elif variable.startswith(_PREFIX):
            nearest = difflib.get_close_matches(variable, fields, n=1, cutoff=0.8)
            if nearest:
                warnings.append(Problem(variable, "", f"not a setting (did you mean {nearest[0]}?)"))
    return warnings


def expand_variables(tree: Tree, env: Mapping[str, str]) -> None:
    """Expand `${NAME}` and `${NAME:-default}` in `runtime` and a teacher's `base_url`, and nowhere else."""
    places: list[Path] = [("teacher", "base_url")]
    listed, runtime = tree.get(("teachers",)), tree.get(("runtime",))
    places += [("teachers", index, "base_url") for index in range(len(listed) if isinstance(listed, list) else 0)]
    places += [("runtime", name) for name in (runtime if isinstance(runtime, dict) else ())]
    for path in places:
        parent, name = tree.get(path[:-1]), str(path[-1])
        value = parent.get(name) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and isinstance(value, str):
            parent[name] = _expand(tree, path, value, env)


def parse_path(text: str) -> Path | None:
    """Take `gate.rules[0].margin` (or `gate.rules.0.margin`) apart; None when it is no path."""
    path: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            return None
        word, index = match.groups()
        path.append(int(index or word) if index or word.isdigit() else word)
        position = match.end()
    return tuple(path) if path and isinstance(path[0], str) else None


def read_value(tree: Tree, text: str, where: str, path: Path) -> Value:
    """Read a value as YAML; text that is no YAML (`{{ text }}`, `a: b: c`) stands for itself."""
    found = read_tree(text, where)
    if found.problems and not text.lstrip().startswith(("{", "[", "&", "*", "!", "%", "@", "`")):
        return text
    tree.problems.extend(Problem(where, show_path(path), problem.message) for problem in found.problems)
    return found.value


def _put(tree: Tree, path: Path, value: Value, place: Place) -> None:
    if tree.value is None:
        tree.value = {}
    at: Value = tree.value
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(at, list) and isinstance(part, int):
            if part > len(at) or part > _MAX_LISTED:
                message = f"there is no item {part} (the list has {len(at)})"
                tree.problems.append(Problem(place.where, show_path(path[: depth + 1]), message))
                return
            if part == len(at):
                at.append({} if not last else None)
            if at[part] is None and not last:
                at[part] = {}
        elif isinstance(at, dict):
            part = str(part)
            if at.get(part) is None and not last:
                at[part] = {}
        else:
            kind = "a list; give an index" if isinstance(at, list) else f"not a section but {at!r:.40}"
            tree.problems.append(Problem(place.where, show_path(path[:depth]), f"is {kind}"))
            return
        if last:
            at[part] = value  # type: ignore[index]
            place_all(tree, path, value, place)
            return
        tree.values.setdefault(path[: depth + 1], place)
        at = at[part]  # type: ignore[index]


def _expand(tree: Tree, path: Path, text: str, env: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        value = env.get(name) or default
        if value is None:
            message = f"variable {name} is not set (export it, or write ${{{name}:-default}})"
            tree.problems.append(Problem(tree.where(path), show_path(path), message))
            return match.group()
        return value

    return _VARIABLE.sub(replace, text)


def apply_overrides(tree: Tree, flags: Sequence[str]) -> None:
    """Put every `--set` into the tree, in order; a later one wins."""
    for flag in flags:
        apply_override(tree, flag)
