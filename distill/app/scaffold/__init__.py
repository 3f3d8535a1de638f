"""Starting points that `distill init` writes: a small task with its data, one folder of `templates/` each."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from distill.config import json_schema
from distill.errors import UsageError

TEMPLATES: dict[str, str] = {
    "classify": "one label of a closed set; an encoder as the student",
    "extract": "JSON fields out of text; a small language model",
    "answer": "short answers that can be checked; a small language model",
    "chat": "free text from chat logs; a small language model",
    "logs": "recorded production logs with labels; nothing is bought",
}
"""Template -> what it is for."""

SCHEMA_FILE = "distill.schema.json"
SAMPLE_INPUT, SAMPLE_ANSWER = "text", "intent"
"""Columns of `sample_rows`."""
_NAME_MARK = "@NAME@"


def scaffold(directory: Path, template: str) -> list[Path]:
    """Write a template's files and the config's JSON Schema into `directory`; returns them. Nothing is overwritten.

    Raises:
        UsageError: there is no such template, or a file of that name is already there.
    """
    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template!r}; choose from {', '.join(TEMPLATES)}")
    sources = [entry for entry in files(__name__).joinpath("templates", template).iterdir() if entry.is_file()]
    contents = {entry.name: _fill(entry, directory) for entry in sources}
    contents[SCHEMA_FILE] = json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
    taken = sorted(name for name in contents if (directory / name).exists())
    if taken:
        raise UsageError(f"{directory} already holds {', '.join(taken)}; give another directory")
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in sorted(contents)]


def sample_rows() -> Path:
    """Return the messages and intents of the template `classify`: what a teacher knows that was given nothing."""
    return Path(str(files(__name__).joinpath("templates", "classify", "rows.jsonl")))


def _fill(entry: Traversable, directory: Path) -> str:
    return entry.read_text(encoding="utf-8").replace(_NAME_MARK, _name(directory))


def _name(directory: Path) -> str:
    """Turn a directory's name into a valid run name."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", directory.resolve().name).strip("-._")
    return words[:80] or "task"
