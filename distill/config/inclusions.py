"""Files a config names and that become part of it: the label file and the JSON Schema file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath

from distill.config.tree import Path, Place, Tree, Value, place_all, show_path
from distill.errors import Problem
from distill.records.json import load_strict

MAX_BYTES = 4_000_000
_SUFFIXES = {"labels": (".txt", ".json"), "schema": (".json",)}


def include_files(tree: Tree, base_dir: FilePath) -> None:
    """Replace `task.labels` and `task.schema`, where they are paths, by what the files hold."""
    task = tree.get(("task",))
    if not isinstance(task, dict):
        return
    for key, read in (("labels", _read_labels), ("schema", _read_schema)):
        path: Path = ("task", key)
        name = task.get(key)
        if not isinstance(name, str):
            continue
        place = tree.values.get(path, Place(""))
        try:
            _refuse_private(name, base_dir, _SUFFIXES[key])
            value = read(_read_text(base_dir / name), name)
        except (OSError, ValueError) as error:
            tree.problems.append(Problem(place.where, show_path(path), _explain(error, name)))
            task[key] = None
            continue
        task[key] = value
        place_all(tree, path, value, place)


def _refuse_private(name: str, base_dir: FilePath, suffixes: tuple[str, ...]) -> None:
    """Refuse a file that is no label or schema file: its lines would go into prompts, and so to the teacher.

    Raises:
        ValueError: it has another suffix, or lies in a hidden directory.
    """
    real = (base_dir / name).resolve()
    if real.suffix.lower() not in suffixes:
        raise ValueError(f"must end in {' or '.join(suffixes)}")
    way = FilePath(os.path.relpath(real, base_dir.resolve())).parts
    if any(part.startswith(".") and part != ".." for part in way):
        raise ValueError("lies in a hidden directory; copy it beside the config if that is meant")


def _read_text(path: FilePath) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
    return path.read_bytes().decode("utf-8-sig")


def _read_labels(text: str, name: str) -> Value:
    if name.endswith(".json"):
        value = load_strict(text)
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise ValueError("expected a JSON list of texts")
        return [str(label) for label in value]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _read_schema(text: str, name: str) -> Value:
    value = load_strict(text)
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a JSON object, got {type(value).__name__} in {name}")  # noqa: TRY004
    return dict(value)  # type: ignore[arg-type]


def _explain(error: OSError | ValueError, name: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file: {name} (relative paths start at the config's directory)"
    if isinstance(error, OSError):
        return f"{name}: cannot be read: {error.strerror or error}"
    return f"{name}: {error}"
