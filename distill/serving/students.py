"""Loading what a channel points at, and swapping it under traffic: a version that cannot be loaded changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from distill.engine.channels import ChannelEntry, Channels, Depot, hash_files
from distill.errors import StoreError, UsageError
from distill.records.runtime import RuntimeConfig
from distill.records.training import Prompt
from distill.students import get_student
from distill.students.manifest import read_manifest
from distill.students.protocol import Predictor
from distill.tasks.config import TaskConfig


@dataclass(frozen=True, slots=True)
class LoadedStudent:
    """A student ready to answer. `predictor` None: served elsewhere.

    `threshold` None: every answer is taken; infinity: none is.
    """

    version: str
    task: TaskConfig
    predictor: Predictor | None
    threshold: float | None = None


Loader = Callable[[Path, str], LoadedStudent]


def load_student(directory: Path, version: str) -> LoadedStudent:
    """Load a student directory and try it once.

    Raises:
        StoreError: the directory is damaged, or the student cannot answer.
    """
    manifest = read_manifest(directory)
    predictor = get_student(manifest.kind).load(directory, RuntimeConfig())
    if len(predictor.predict([Prompt("trial", "hello")])) != 1:
        raise StoreError(f"{directory}: the student gave no answer to a trial question")
    return LoadedStudent(version, manifest.task, predictor, read_threshold(manifest.thresholds))


def load_described(directory: Path, version: str) -> LoadedStudent:
    """Read what a student is, for one that is served elsewhere; loads no weights.

    Raises:
        StoreError: the directory is damaged.
    """
    manifest = read_manifest(directory)
    return LoadedStudent(version, manifest.task, None, read_threshold(manifest.thresholds))


def read_threshold(thresholds: object) -> float | None:
    """Return the fallback threshold of a manifest: a number, or an object's `threshold`; None where none is stored.

    An object whose `threshold` is null says that no threshold keeps the risk, so the teacher answers all: infinity.

    Raises:
        StoreError: it is not a number in [0, 1].
    """
    value = cast("dict[str, object]", thresholds).get("fallback")
    if isinstance(value, dict):
        chosen = cast("dict[str, object]", value)
        value = math.inf if "threshold" in chosen and chosen["threshold"] is None else chosen.get("threshold")
    if value is None:
        return None
    if value == math.inf:
        return math.inf
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
        raise StoreError(f"the stored fallback threshold {value!r} is not a number in [0, 1]")
    return float(value)


def load_entry(entry: ChannelEntry, depot: Depot, load: Loader = load_student) -> LoadedStudent:
    """Load a channel entry's target, after checking its files against the hashes recorded at promotion.

    Raises:
        StoreError: files are missing or differ from what was promoted, or the student cannot be loaded.
    """
    directory = depot.fetch(entry.target)
    expected = entry.metadata.get("files")
    if expected is not None and expected != hash_files(directory):
        raise StoreError(f"{directory}: files differ from what was promoted; promote again or restore them")
    return load(directory, entry.label)


def read_current(channels: Channels, name: str) -> ChannelEntry:
    """Return the channel's current entry.

    Raises:
        UsageError: nothing was promoted to it.
    """
    entry = channels.read(name)
    if entry is None:
        raise UsageError(f"channel {name!r} points at nothing; promote a run first")
    return entry
