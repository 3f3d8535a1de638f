"""Run directories: `runs/<name>/<run-id>/` with run.json and what people open; how a RUN argument finds one.

A run directory only refers to artifacts and copies their small files; losing it loses no answer and no student.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from distill.engine.runner import StageResult
from distill.errors import DataError, UsageError

RUN_SCHEMA = 1
RUN_FILE = "run.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""A stage or key as it may stand in a path: a run directory may come from somebody else."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory and its run.json."""

    directory: Path
    facts: Mapping[str, object]

    @property
    def id(self) -> str:
        """The run's id, also its directory's name."""
        return str(self.facts["id"])

    @property
    def keys(self) -> dict[str, str]:
        """Stage -> artifact key."""
        stages = cast("Sequence[Mapping[str, str]]", self.facts["stages"])
        return {stage["stage"]: stage["key"] for stage in stages}

    @property
    def state_dir(self) -> Path:
        """Where the run's artifacts are."""
        return Path(os.path.normpath(self.directory / str(self.facts["state_dir"])))

    def artifact(self, stage: str) -> Path:
        """Return the directory of a stage's artifact.

        Raises:
            UsageError: the run has no such stage.
            DataError: run.json names a place outside the artifacts.
        """
        if stage not in self.keys:
            raise UsageError(f"run {self.id} has no stage {stage!r}; it has: {', '.join(self.keys)}")
        if not (_NAME.fullmatch(stage) and _NAME.fullmatch(self.keys[stage])):
            raise DataError(f"run {self.id}: its run.json names the artifact {self.keys[stage]!r}, which is no key")
        return self.state_dir / "artifacts" / stage / self.keys[stage]


def make_run_id(now: datetime, keys: Mapping[str, str]) -> str:
    """Return a sortable id: UTC time and the first digits of the last stage's key."""
    last = list(keys.values())[-1] if keys else "0" * 6
    return f"{now:%Y%m%d-%H%M%S}-{last[:6]}"


def read_run(directory: Path) -> Run:
    """Read a run directory.

    Raises:
        UsageError: there is no run.json in it.
        DataError: run.json is damaged.
    """
    path = directory / RUN_FILE
    try:
        return Run(directory, cast("dict[str, object]", json.loads(path.read_text(encoding="utf-8"))))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{directory}: not a run directory (no {RUN_FILE}); `distill runs` lists them") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged ({error}); run the config again to make it anew") from error


def latest_run(runs_dir: Path, name: str) -> Run | None:
    """Return the newest run of a config's name, or None."""
    link = runs_dir / name / "latest"
    return read_run(link.resolve()) if (link / RUN_FILE).is_file() else None


def list_runs(runs_dir: Path) -> list[Run]:
    """Return all readable runs, oldest first."""
    paths = [path for path in runs_dir.glob(f"*/*/{RUN_FILE}") if path.parent.name != "latest"]
    return [read_run(path.parent) for path in sorted(paths, key=lambda path: path.parent.name)]


def resolve_run(reference: str, runs_dir: Path) -> Run:
    """Find the run that a RUN argument names: a directory, an id, a unique prefix of one, or CONFIG@latest.

    Raises:
        UsageError: none or several match.
    """
    if (Path(reference) / RUN_FILE).is_file():
        return read_run(Path(reference).resolve())
    if reference.endswith("@latest"):
        given = reference.removesuffix("@latest")
        names = [name for name in (_name_in(Path(given)), given, Path(given).stem) if name]
        run = next((run for run in (latest_run(runs_dir, name) for name in names) if run is not None), None)
        if run is None:
            raise UsageError(f"{reference}: no run named {names[0]!r} under {runs_dir}; `distill runs` lists them")
        return run
    runs = list_runs(runs_dir)
    exact = [run for run in runs if run.id == reference]
    matches = exact or [run for run in runs if run.id.startswith(reference)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UsageError(f"no run {reference!r} under {runs_dir}; `distill runs` lists them")
    raise UsageError(
        f"{reference!r} names several runs: {', '.join(run.id for run in matches[:5])}; give more of the id"
    )


def _name_in(config: Path) -> str | None:
    """Return the name that a config file gives to its runs; None where it is no file, or says none."""
    if not config.is_file():
        return None
    from distill.config.tree import read_tree  # noqa: PLC0415  (its package is 0.3 s, which `distill runs` need not wait for)

    with suppress(OSError, UnicodeDecodeError):
        value = read_tree(config.read_text(encoding="utf-8"), str(config)).value
        name = value.get("name") if isinstance(value, dict) else None
        return name if isinstance(name, str) else None
    return None


def find_run(metadata: Mapping[str, object], runs_dir: Path) -> Run | None:
    """Return the run that a channel's version came from; None where it is not here."""
    try:
        return resolve_run(str(metadata["run"]), runs_dir)
    except (KeyError, UsageError):
        return None


def list_teachers(run: Run) -> Sequence[Mapping[str, Any]]:
    """Return the teachers' sections as run.json states them, the reference teacher's first."""
    config = cast("Mapping[str, Any]", run.facts["config"])
    return config.get("teachers") or [config["teacher"]]


def write_run(
    runs_dir: Path,
    name: str,
    run_id: str,
    facts: Mapping[str, object],
    results: Sequence[StageResult],
    files: Mapping[str, Path],
    links: Mapping[str, Path],
    restated: Mapping[str, str] | None = None,
) -> Run:
    """Write a run directory (run.json last) and point `latest` at it.

    Args:
        runs_dir: where all runs live.
        name: the config's name.
        run_id: the new directory's name.
        facts: run.json without schema, id, name and stages.
        results: what each stage did.
        files: file name -> artifact file to copy.
        links: link name -> artifact directory to point at.
        restated: file name -> text that stands in its place in the linked directories.

    Raises:
        OSError: the disk refuses.
    """
    directory = runs_dir / name / run_id
    directory.mkdir(parents=True, exist_ok=True)
    for file_name, source in files.items():
        if source.is_file():
            shutil.copyfile(source, directory / file_name)
    for link_name, target in links.items():
        if target.is_dir() and not restated:
            _point(directory / link_name, target)
        elif target.is_dir():
            _point_to_entries(directory / link_name, target, restated or {})
    full = {"schema": RUN_SCHEMA, "id": run_id, "name": name, "stages": [asdict(result) for result in results], **facts}
    _write_atomically(directory / RUN_FILE, json.dumps(full, indent=1, ensure_ascii=False, default=str))
    _point(runs_dir / name / "latest", directory)
    return read_run(directory)


def _point_to_entries(place: Path, target: Path, restated: Mapping[str, str]) -> None:
    """Make `place` a directory of links to the entries of `target`, but for the files that are restated."""
    place.mkdir(exist_ok=True)
    for entry in sorted(target.iterdir()):
        if entry.name not in restated:
            _point(place / entry.name, entry)
    for name, text in restated.items():
        _write_atomically(place / name, text)


def _point(link: Path, target: Path) -> None:
    """Make `link` a relative symlink to `target` in one step."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(target, link.parent))
    temporary.replace(link)


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
