"""Looks: how often one sealed held-out set was asked for a verdict. Counted before evaluating, never forgotten.

A student that is evaluated on it is a look; so is judging one again by other blocking rules, for whoever moves the bar
has seen where the student landed. Rehearsals have a ledger of their own: their teacher is a stand-in.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

from distill.engine.fingerprint import Plain, diff
from distill.gates.config import GateConfig

T = TypeVar("T")
LookKind = Literal["look", "rehearsal"]
_ENDING: dict[LookKind, str] = {"look": ".jsonl", "rehearsal": ".rehearsals.jsonl"}
_DAMAGED = "damaged:"


class Judging(NamedTuple):
    """Which look a verdict is, and how its rules differ from those the same student was judged by before."""

    look: int
    changes: tuple[str, ...] = ()
    evaluations: int | None = None
    """How many of the looks up to this one evaluated a student; None: all of them."""


class Reused(NamedTuple):
    """Rows of a sealed set that were in others before, and how often those were looked at."""

    rows: int
    looks: int


def count_look(state_dir: Path, heldout_digest: str, key: str, kind: LookKind = "look") -> int:
    """Record that `key` is evaluated on the sealed set and return which look that is (1 for the first).

    The same key again is the same look: a run that was cut off does not look twice.

    Raises:
        OSError: the ledger cannot be written.
    """
    return len(_note_once(_ledger(state_dir, heldout_digest, kind), {"key": key}, key, _read_keys)) + 1


def read_looks(state_dir: Path, heldout_digest: str, kind: LookKind = "look") -> list[str]:
    """Return the keys that were evaluated on the sealed set, first look first; nothing is counted.

    A student judged again by other rules stands there as `KEY:RULES`.
    """
    path = _ledger(state_dir, heldout_digest, kind)
    if not path.is_file():
        return []
    return _read_keys(path.read_text(encoding="utf-8"))


def count_rules(state_dir: Path, heldout_digest: str, key: str, look: int, gate: GateConfig) -> Judging:
    """Record by which rules evaluation `key`, look `look`, is judged; other rules than its first are a look more.

    Rules that only warn decide nothing, and rules that hold all earlier ones cannot promote what those did not: neither
    is a look.

    Raises:
        OSError: a ledger cannot be written.
    """
    asked = _describe_rules(gate.model_dump(mode="json"))
    path = state_dir / "looks" / f"{heldout_digest}.rules.jsonl"
    earlier = _note_once(path, {"key": key, "gate": asked}, asked, partial(_read_rules, key=key))
    if all(_holds(asked, before) for before in earlier):
        return Judging(look)
    changes = tuple(diff(cast("Plain", earlier[0]), cast("Plain", asked), "gate"))
    return Judging(count_look(state_dir, heldout_digest, f"{key}:{name_rules(asked)}"), changes)


def count_evaluations(state_dir: Path, heldout_digest: str, look: int) -> int:
    """Return how many of the looks up to `look` evaluated a student, rather than judge one again by other rules."""
    return sum(not tell_rules(key) for key in read_looks(state_dir, heldout_digest)[:look])


def tell_rules(key: str) -> str:
    """Return the name of the rules by which a look judged a student again, of what `read_looks` returned; else ''."""
    return "" if key.startswith(_DAMAGED) else key.partition(":")[2]


def name_rules(gate: Mapping[str, Any]) -> str:
    """Name the rules that decide, of a gate's config as plain values."""
    return hashlib.sha256(json.dumps(_describe_rules(gate), sort_keys=True).encode()).hexdigest()[:12]


def find_reused(state_dir: Path, heldout_digest: str, row_hashes: Sequence[str]) -> Reused | None:
    """Record which rows are in this sealed set, and return how many of them another set, looked at, had before.

    A row more or a new seed makes a new digest, but no fresh rows. None where no looked-at set shares any.

    Raises:
        OSError: the rows cannot be recorded.
    """
    mine = {found[:16] for found in row_hashes}
    folder = state_dir / "looks"
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    looks = 0
    for path in sorted(folder.glob("*.rows")):
        theirs = set(path.read_text(encoding="ascii").split()) & mine
        count = len(read_looks(state_dir, path.stem))
        if path.stem != heldout_digest and theirs and count:
            seen, looks = seen | theirs, looks + count
    temporary = folder / f".{heldout_digest}.{os.getpid()}"
    temporary.write_text("\n".join(sorted(mine)), encoding="ascii")
    temporary.replace(folder / f"{heldout_digest}.rows")
    return Reused(len(seen), looks) if seen else None


def _ledger(state_dir: Path, heldout_digest: str, kind: LookKind) -> Path:
    return state_dir / "looks" / f"{heldout_digest}{_ENDING[kind]}"


def _describe_rules(gate: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides, as plain values."""
    return {**gate, "rules": [rule for rule in gate["rules"] if "block" in (rule["policy"], rule["slice_policy"])]}


def _holds(asked: dict[str, Any], before: dict[str, Any]) -> bool:
    others = ({name: value for name, value in one.items() if name != "rules"} for one in (asked, before))
    return next(others) == next(others) and all(rule in asked["rules"] for rule in before["rules"])


def _note_once(path: Path, line: Mapping[str, Any], item: T, read: Callable[[str], list[T]]) -> list[T]:
    """Append a line unless the item that `read` makes of it stands there; return the items that stood before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        items = read(file.read())
        if item in items:
            return items[: items.index(item)]
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())
        return items


def _read_rules(text: str, key: str) -> list[dict[str, Any]]:
    """Return the rules that evaluation `key` was judged by, first ones first; a damaged line says nothing."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        try:
            noted = json.loads(line)
            if noted["key"] == key:
                found.append(noted["gate"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _read_keys(text: str) -> list[str]:
    """Return the keys, each once, first look first; a damaged line counts as one."""
    keys: list[str] = []
    for line in text.splitlines():
        try:
            keys.append(str(json.loads(line)["key"]))
        except (ValueError, KeyError, TypeError):
            keys.append(_DAMAGED + line)
    return list(dict.fromkeys(keys))
