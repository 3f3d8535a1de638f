"""YAML text as plain values with the place of each one. YAML 1.2 scalars: `off` is a word, `1e-3` is a number."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import yaml

from distill.errors import Problem

Value: TypeAlias = "None | bool | int | float | str | list[Value] | dict[str, Value]"
Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 32
MAX_NODES = 100_000
MAX_CHARS = 4_000_000
_CORE = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?\d[\d_]{0,40}")
_FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class Place(NamedTuple):
    """Where a value stands, as `file:line:col` or a flag; `block_line` is the line before a literal block's text."""

    where: str
    block_line: int | None = None


@dataclass(slots=True)
class Tree:
    """A config's values with their places, and what was wrong with the text itself."""

    value: Value = None
    values: dict[Path, Place] = field(default_factory=dict[Path, Place])
    keys: dict[Path, Place] = field(default_factory=dict[Path, Place])
    problems: list[Problem] = field(default_factory=list[Problem])

    def where(self, path: Path, *, key: bool = False) -> str:
        """Name the place of a value (or of its key); of the nearest section around it where it is not there."""
        for length in range(len(path), -1, -1):
            table = self.keys if key or length < len(path) else self.values
            place = table.get(path[:length]) or self.values.get(path[:length])
            if place is not None:
                return place.where
        return ""

    def get(self, path: Path) -> Value:
        """Return the value at `path`, None where there is none."""
        value = self.value
        for part in path:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
                value = value[part]
            else:
                return None
        return value


def show_path(path: Path) -> str:
    """Write a path as people do: `gate.rules[0].margin`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else (f".{part}" if shown else part)
    return shown


def read_tree(text: str, name: str) -> Tree:
    """Read YAML text; mistakes of the text come back among the problems, never as an exception."""
    tree = Tree()
    if len(text) > MAX_CHARS:
        tree.problems.append(Problem(name, "", f"the file has more than {MAX_CHARS} characters"))
        return tree
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        tree.problems.append(Problem(where, "", f"not YAML: {error.problem or error.context}"))
        return tree
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        tree.problems.append(Problem(name, "", f"not YAML: {reason}"))
        return tree
    if root is not None:
        _Builder(tree, name).build_root(root)
    return tree


class _TooMuchError(Exception):
    """The nodes pass a limit; an alias bomb does."""


class _Builder:
    def __init__(self, tree: Tree, name: str) -> None:
        self._tree = tree
        self._name = name
        self._nodes = 0

    def build_root(self, root: yaml.Node) -> None:
        try:
            self._tree.value = self._build(root, ())
        except _TooMuchError as error:
            self._tree.value = None
            self._tree.problems.append(Problem(self._where(root), "", str(error)))

    def _build(self, node: yaml.Node, path: Path) -> Value:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooMuchError(f"the file unfolds to more than {MAX_NODES} values")
        if len(path) > MAX_DEPTH:
            raise _TooMuchError(f"the file is nested deeper than {MAX_DEPTH} levels")
        block = node.start_mark.line + 1 if isinstance(node, yaml.ScalarNode) and node.style == "|" else None
        self._tree.values[path] = Place(self._where(node), block)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTION_TAGS:
            self._report(node, path, f"tag {node.tag} is not supported")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._read_scalar(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str) or key_node.tag == f"{_CORE}merge":
                reason = "merge keys (<<) are not supported" if isinstance(key, str) else "a key must be one word"
                self._report(key_node, path, reason)
                continue
            inner = (*path, key)
            if key in found:
                self._report(key_node, inner, f"given twice (first at {self._tree.keys[inner].where})")
                continue
            self._tree.keys[inner] = Place(self._where(key_node))
            found[key] = self._build(value_node, inner)
        return found

    def _read_scalar(self, node: yaml.Node, path: Path) -> Value:
        text = str(node.value)
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            self._report(node, path, "holds half a surrogate pair, which is not text")
            return None
        explicit = node.tag.removeprefix(_CORE)
        if not node.tag.startswith(_CORE) or explicit not in _PLAIN_TAGS:
            self._report(node, path, f"tag {node.tag} is not supported")
            return None
        if getattr(node, "style", None) in ("'", '"', "|", ">"):
            return text
        if _NOT_FINITE.fullmatch(text):
            self._report(node, path, f"must be a finite number, not {text}")
            return None
        return _resolve(text)

    def _report(self, node: yaml.Node, path: Path, message: str) -> None:
        self._tree.problems.append(Problem(self._where(node), show_path(path), message))

    def _where(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


_COLLECTION_TAGS = frozenset({f"{_CORE}map", f"{_CORE}seq"})
_PLAIN_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "value"})


def _resolve(text: str) -> Value:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return number if math.isfinite(number) else text
    return text


def place_all(tree: Tree, path: Path, value: Value, place: Place) -> None:
    """Give `value` and all it holds one place (that of the flag or variable it came from)."""
    tree.values[path] = tree.keys[path] = place
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place_all(tree, (*path, key), inner, place)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            place_all(tree, (*path, index), inner, place)
