"""Checkpoints that are whole or not there, and the reasons for which a resume is refused.

A checkpoint is written beside its place and renamed; its manifest, written last, holds the hash of every file, of the
best weights so far (which lie beside it) and the identity of the training (data order, schedule, trainable parameters).
Nothing that differs is resumed silently.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distill.errors import StoreError
from distill.records.json import list_leaves
from distill.students.bases import hash_file
from distill.students.config import StudentConfig

MANIFEST = "manifest.json"
STAGING = "staging"
_PREFIX = "checkpoint-"
_NEEDED = ("trainable.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


@dataclass(frozen=True, slots=True)
class TrainingIdentity:
    """What must be equal for a resume to be the same training. `settings`: path in `student` -> canonical value."""

    data: str
    validation: str
    order: str
    learning_rate: float
    schedule: str
    steps: int
    trainable: str
    settings: Mapping[str, str]


_MEANING = {
    "data": "the training rows changed",
    "validation": "the validation rows changed",
    "order": "the batch order changed (rows, batch_tokens, epochs or seed)",
    "learning_rate": "the learning rate changed",
    "schedule": "the learning-rate schedule changed",
    "steps": "the number of steps changed",
    "trainable": "the trainable parameters changed (adapter, head or base)",
}


def list_settings(config: StudentConfig) -> dict[str, str]:
    """Return path -> canonical value of every setting but those that `TrainingIdentity` names by themselves."""
    others = config.model_dump(mode="json", exclude={"learning_rate", "schedule", "warmup_fraction"})
    return {path.lstrip("/").replace("/", "."): value for path, value in list_leaves(others)}


def find_newest(work_dir: Path) -> Path | None:
    """Return the newest checkpoint's directory, whole or not, or None."""
    found = [path for path in work_dir.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    return max(found, key=_step, default=None)


def publish(staging: Path, work_dir: Path, step: int, identity: TrainingIdentity, beside: Sequence[Path] = ()) -> Path:
    """Seal the files of `staging`, and those `beside` it in `work_dir`, and rename it into place as that of `step`."""
    files = {path.name: hash_file(path) for path in sorted(staging.iterdir()) if path.is_file()}
    manifest = {
        "files": files,
        "beside": {path.name: hash_file(path) for path in beside},
        "identity": asdict(identity),
    }
    with (staging / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, sort_keys=True, indent=1)
        file.flush()
        os.fsync(file.fileno())
    target = work_dir / f"{_PREFIX}{step}"
    if target.exists():
        shutil.rmtree(target)
    staging.rename(target)
    return target


def prune(work_dir: Path, keep: set[Path]) -> None:
    """Delete every checkpoint but those in `keep`."""
    for path in work_dir.glob(f"{_PREFIX}*"):
        if path not in keep:
            shutil.rmtree(path, ignore_errors=True)


def verify(checkpoint: Path, identity: TrainingIdentity) -> None:
    """Check that a checkpoint is whole and belongs to this training.

    Raises:
        StoreError: it is empty, a file is missing or torn, or the training is another one; the message says which.
    """
    if not any(checkpoint.iterdir()):
        raise _refuse(checkpoint, "it is empty")
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        files, beside, saved = (dict(manifest[name]) for name in ("files", "beside", "identity"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refuse(checkpoint, f"its {MANIFEST} is missing or torn") from error
    for name in sorted({*files, *_NEEDED}):
        what = "the optimizer state" if name == "optimizer.pt" else name
        _check_whole(checkpoint, checkpoint / name, files.get(name), what)
    for name, digest in beside.items():
        _check_whole(checkpoint, checkpoint.parent / name, digest, f"the best weights so far ({name})")
    for name, meaning in _MEANING.items():
        old, new = saved.get(name), getattr(identity, name)
        if old != new:
            raise _refuse(checkpoint, meaning + _say_change(old, new))
    settings = dict(saved.get("settings", {}))
    for name in sorted({*settings, *identity.settings}):
        old, new = settings.get(name), identity.settings.get(name)
        if old != new:
            raise _refuse(checkpoint, f"student.{name} changed{_say_change(old, new)}")


def check_sharded(checkpoint: Path, optimizer: Mapping[str, Any], *, sharded: bool) -> None:
    """Check that an optimizer's state was written by a training that was sharded, or was not, like this one.

    Raises:
        StoreError: it was the other kind; a sharded training names parameters, an unsharded one numbers them.
    """
    named = any(isinstance(name, str) for group in optimizer["param_groups"] for name in group["params"])
    if named != sharded:
        was, now = ("sharded (FSDP=1)", "not sharded")[:: 1 if named else -1]
        raise _refuse(checkpoint, f"it was written by a training that was {was}, and this one is {now}")


def _check_whole(checkpoint: Path, path: Path, digest: str | None, what: str) -> None:
    if not path.is_file():
        raise _refuse(checkpoint, f"{what} is missing")
    if hash_file(path) != digest:
        raise _refuse(checkpoint, f"{what} is torn (its hash is not the recorded one)")


def _step(path: Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def _say_change(old: object, new: object) -> str:
    return "" if isinstance(new, str) and len(new) == 64 else f": {old!r} -> {new!r}"


def _refuse(checkpoint: Path, why: str) -> StoreError:
    return StoreError(f"cannot resume training from {checkpoint}: {why}; delete {checkpoint.parent} to start over")
