"""Checkpoints that are whole or not there, and the reasons for which a resume is refused.

A checkpoint is written beside its place and renamed; its manifest, written last, holds the hash of every file and the
identity of the training (data order, schedule, trainable parameters). Nothing that differs is resumed silently.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from distill.errors import StoreError
from distill.students.bases import hash_file

MANIFEST = "manifest.json"
STAGING = "staging"
_PREFIX = "checkpoint-"
_NEEDED = ("trainable.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")


@dataclass(frozen=True, slots=True)
class TrainingIdentity:
    """What must be equal for a resume to be the same training."""

    data: str
    order: str
    learning_rate: float
    schedule: str
    steps: int
    trainable: str


_MEANING = {
    "data": "the training rows changed",
    "order": "the batch order changed (rows, batch_tokens, epochs or seed)",
    "learning_rate": "the learning rate changed",
    "schedule": "the learning-rate schedule changed",
    "steps": "the number of steps changed",
    "trainable": "the trainable parameters changed (adapter, head or base)",
}


def find_newest(work_dir: Path) -> Path | None:
    """Return the newest checkpoint's directory, whole or not, or None."""
    found = [path for path in work_dir.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    return max(found, key=_step, default=None)


def publish(staging: Path, work_dir: Path, step: int, identity: TrainingIdentity) -> Path:
    """Seal the files of `staging` and rename it into place as the checkpoint of `step`."""
    files = {path.name: hash_file(path) for path in sorted(staging.iterdir()) if path.is_file()}
    manifest = {"files": files, "identity": asdict(identity)}
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
        files, saved = dict(manifest["files"]), dict(manifest["identity"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refuse(checkpoint, f"its {MANIFEST} is missing or torn") from error
    for name in sorted({*files, *_NEEDED}):
        path = checkpoint / name
        what = "the optimizer state" if name == "optimizer.pt" else name
        if not path.is_file():
            raise _refuse(checkpoint, f"{what} is missing")
        if hash_file(path) != files.get(name):
            raise _refuse(checkpoint, f"{what} is torn (its hash is not the recorded one)")
    for name, value in asdict(identity).items():
        if saved.get(name) != value:
            raise _refuse(checkpoint, _MEANING[name] + _say_change(saved.get(name), value))


def _step(path: Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def _say_change(old: object, new: object) -> str:
    return "" if isinstance(new, str) and len(new) == 64 else f": {old!r} -> {new!r}"


def _refuse(checkpoint: Path, why: str) -> StoreError:
    return StoreError(f"cannot resume training from {checkpoint}: {why}; delete {checkpoint.parent} to start over")
