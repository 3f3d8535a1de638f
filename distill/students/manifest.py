"""`distill.json`: what a saved student is. Written once by training; the stage fills in its thresholds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from distill.errors import StoreError
from distill.records.json import Json, dump_canonical
from distill.students.config import StudentConfig
from distill.tasks.config import TaskConfig

FILE = "distill.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StudentManifest:
    """A saved student. `temperature` divides its logits before confidence; `thresholds` belong to the stage."""

    kind: str
    task: TaskConfig
    config: StudentConfig
    base: Mapping[str, Json]
    labels: tuple[str, ...]
    temperature: float = 1.0
    chat_template_sha256: str | None = None
    thresholds: Mapping[str, Json] = field(default_factory=dict[str, Json])


def write_manifest(directory: Path, manifest: StudentManifest) -> None:
    """Write `distill.json` under `directory`."""
    body = asdict(manifest) | {
        "schema": SCHEMA,
        "task": manifest.task.model_dump(mode="json", by_alias=True),
        "config": manifest.config.model_dump(mode="json"),
    }
    text = json.dumps(json.loads(dump_canonical(cast("Json", body))), indent=2, sort_keys=True, ensure_ascii=False)
    (directory / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> StudentManifest:
    """Read `distill.json` from `directory`.

    Raises:
        StoreError: it is missing, damaged or of a later schema.
    """
    path = directory / FILE
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        schema = body.pop("schema")
        if schema != SCHEMA:
            raise StoreError(f"{path} has schema {schema}, this version reads {SCHEMA}; update distill")
        task, config = TaskConfig(**body.pop("task")), StudentConfig(**body.pop("config"))
        return StudentManifest(task=task, config=config, labels=tuple(body.pop("labels")), **body)
    except FileNotFoundError as error:
        raise StoreError(f"{directory} holds no {FILE}: it is not a student") from error
    except (ValueError, TypeError, KeyError, AttributeError, ValidationError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error


def record_thresholds(directory: Path, thresholds: Mapping[str, Json]) -> None:
    """Store thresholds chosen on validation in a student's `distill.json`.

    Raises:
        StoreError: the directory is not a student.
    """
    write_manifest(directory, replace(read_manifest(directory), thresholds=thresholds))
