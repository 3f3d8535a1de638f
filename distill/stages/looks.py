"""Looks: how many students were evaluated on one sealed held-out set. Counted before evaluating, never forgotten."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path


def count_look(state_dir: Path, heldout_digest: str, key: str) -> int:
    """Record that `key` is evaluated on the sealed set and return which look that is (1 for the first).

    The same key again is the same look: a run that was cut off does not look twice.

    Raises:
        OSError: the ledger cannot be written.
    """
    path = state_dir / "looks" / f"{heldout_digest}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        keys = list(dict.fromkeys(_read_keys(file.read())))
        if key in keys:
            return keys.index(key) + 1
        file.write(json.dumps({"key": key}) + "\n")
        file.flush()
        os.fsync(file.fileno())
        return len(keys) + 1


def read_looks(state_dir: Path, heldout_digest: str) -> list[str]:
    """Return the keys that were evaluated on the sealed set, first look first; nothing is counted."""
    path = state_dir / "looks" / f"{heldout_digest}.jsonl"
    if not path.is_file():
        return []
    return list(dict.fromkeys(_read_keys(path.read_text(encoding="utf-8"))))


def _read_keys(text: str) -> list[str]:
    keys: list[str] = []
    for line in text.splitlines():
        try:
            keys.append(str(json.loads(line)["key"]))
        except (ValueError, KeyError, TypeError):
            keys.append(f"damaged:{line}")
    return keys
