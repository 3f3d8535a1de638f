"""What a run left, read once for the evidence: its JSON files, stage records and artifacts, verified on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.app.runs import Run
from distill.engine.store import Store
from distill.errors import StoreError


@dataclass(frozen=True, slots=True)
class Sources:
    """The facts of a finished run. `records` maps stage to record.json, `files` names a JSON file's object.

    `damaged` maps a stage to what is wrong with its artifact; its facts are then left out.
    """

    run: Run
    config: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Any]
    damaged: Mapping[str, str]

    def get(self, name: str, *path: str) -> Any:  # noqa: ANN401 a value of a JSON file
        """Return the value at a path of a file, or None."""
        here = self.files.get(name)
        for step in path:
            if not isinstance(here, dict):
                return None
            here = here.get(step)
        return here


WANTED = {
    "training.json": ("train", "training.json"),
    "evaluation.json": ("evaluate", "evaluation.json"),
    "audit.json": ("split", "open/audit.json"),
    "seal.json": ("split", "sealed/seal.json"),
    "funnel.json": ("filter", "funnel.json"),
    "regenerate.json": ("filter", "regenerate.json"),
    "generate/ledger.json": ("generate", "ledger.json"),
}
"""Name in the evidence -> (stage, file of its artifact)."""


def read_sources(run: Run) -> Sources:
    """Read a run; a damaged or missing artifact is named, never passed over in silence."""
    store = Store(run.state_dir)
    records: dict[str, Mapping[str, Any]] = {}
    damaged: dict[str, str] = {}
    for stage, key in run.keys.items():
        try:
            store.verify(stage, key)
        except StoreError as error:
            damaged[stage] = str(error)
            continue
        records[stage] = store.record(stage, key) or {}
    files = {name: _read(run.directory / name) for name in ("gate.json", "scores.json", "costs.json")}
    for name, (stage, file_name) in WANTED.items():
        if stage in records:
            files[name] = _read(run.artifact(stage) / file_name)
    known = {name: value for name, value in files.items() if value is not None}
    config = run.facts["config"]
    assert isinstance(config, dict)
    return Sources(run, config, records, known, damaged)


def _read(path: Path) -> Any:  # noqa: ANN401 a JSON file's object
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
