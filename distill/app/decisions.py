"""What the gate said of a run: read where people find it, believed only if it is what the gate wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from distill.app.runs import Run
from distill.engine.store import Store
from distill.errors import DataError, UsageError

GATE_FILE = "gate.json"


def read_decision(run: Run) -> Mapping[str, Any]:
    """Return a run's gate.json; where the gate's own copy is gone, the run's is all there is.

    Raises:
        UsageError: the run never reached the gate.
        DataError: the file is damaged, or not what the gate wrote.
        StoreError: the gate's artifact is damaged.
    """
    decision, key = read_stated_decision(run), run.keys.get("gate")
    store = Store(run.state_dir)
    if key is None or not store.is_whole("gate", key):
        return decision
    if _read(store.verify("gate", key) / GATE_FILE) != decision:
        raise DataError(
            f"{run.directory / GATE_FILE}: differs from what the gate wrote; run its config again, "
            f"or copy {run.artifact('gate')}"
        )
    return decision


def read_stated_decision(run: Run) -> Mapping[str, Any]:
    """Return the gate.json that lies in a run's directory, for whoever checks it against the gate's own.

    Raises:
        UsageError: the run never reached the gate.
        DataError: the file is damaged.
    """
    path = run.directory / GATE_FILE
    if not path.is_file():
        raise UsageError(f"run {run.id} stopped before the gate; run its config again without --until")
    return _read(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return cast("Mapping[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}); run its config again to make it anew") from error
