"""Writes the folder of evidence, with a manifest of hashes last; and checks such a folder again, anywhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distill import __version__
from distill.app.evidence.channels import check_chains, describe_oversight, describe_promotions, entries_of
from distill.app.evidence.events import list_events, write_events
from distill.app.evidence.facts import gather_facts
from distill.app.evidence.sources import Sources, read_sources
from distill.app.evidence.training_data import render_training_data, summarise_training_data
from distill.app.runs import Run
from distill.engine.store import digest_file, translate_os_errors
from distill.errors import DataError, UsageError
from distill.reports.annex import HEADINGS, annex_json, is_empty, render_annex

MANIFEST = "manifest.json"
COPIED = ("run.json", "gate.json", "scores.json", "costs.json", "report.html")


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """What a check of a folder found: files that differ from the manifest, and channels whose chain is broken."""

    files: int
    problems: tuple[str, ...]
    channels: Mapping[str, Mapping[str, Any]]

    @property
    def is_sound(self) -> bool:
        """True when every file is as the manifest says and every chain holds."""
        return not self.problems


def write_evidence(run: Run, directory: Path) -> dict[str, Any]:
    """Write the evidence of a run into a new or empty directory; return the manifest.

    Raises:
        UsageError: the directory is not empty.
        StoreError: the disk refuses.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"-o {directory}: not empty; evidence is written into a directory of its own")
    with translate_os_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        sources = read_sources(run)
        checks = check_chains(run.state_dir)
        entries = entries_of(run, checks)
        facts = gather_facts(sources, entries)
        (directory / "technical-documentation.md").write_text(
            render_annex(f"Technical documentation of {run.facts['name']}", _intro(run), facts), encoding="utf-8"
        )
        _dump(directory / "technical-documentation.json", annex_json(facts))
        summary = summarise_training_data(sources)
        (directory / "training-data.md").write_text(render_training_data(summary), encoding="utf-8")
        _dump(directory / "training-data.json", summary)
        write_events(directory / "events.jsonl", list_events(sources, entries))
        _dump(directory / "lineage.json", _describe_lineage(sources))
        _dump(directory / "promotions.json", describe_promotions(run, checks, entries))
        _dump(directory / "human-oversight.json", describe_oversight(entries, sources.files.get("gate.json")))
        _copy(run, directory)
        empty = [heading.number for heading in HEADINGS if is_empty(heading.number, facts)]
        return _write_manifest(run, sources, directory, empty)


def _intro(run: Run) -> list[str]:
    return [
        f"Run `{run.id}`, written by distill {__version__} on {datetime.now(UTC):%Y-%m-%d}. The headings are those of",
        "Annex IV of Regulation (EU) 2024/1689. Every value was read from the run's own files, named beside it. A",
        "point about which the run knows nothing says that it is empty. A form with facts, not a legal assessment.",
    ]


def _describe_lineage(sources: Sources) -> dict[str, Any]:
    stages = {
        stage: {name: record.get(name) for name in ("key", "version", "upstream", "parts", "files", "commit", "lock")}
        for stage, record in sources.records.items()
    }
    return {
        "run": sources.run.id,
        "stages": stages,
        "verified_on_disk": sorted(sources.records),
        "damaged_or_gone": dict(sources.damaged),
        "base": sources.get("training.json", "base"),
        "seal": sources.files.get("seal.json"),
        "versions": sources.run.facts.get("versions"),
    }


def _copy(run: Run, directory: Path) -> None:
    for name in COPIED:
        if (run.directory / name).is_file():
            shutil.copyfile(run.directory / name, directory / name)
    for path in sorted((run.state_dir / "channels").glob("*.jsonl")):
        (directory / "channels").mkdir(exist_ok=True)
        shutil.copyfile(path, directory / "channels" / path.name)


def _write_manifest(run: Run, sources: Sources, directory: Path, empty: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "run": run.id,
        "name": run.facts["name"],
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "generated_by": f"distill {__version__}",
        "empty_points_of_annex_iv": empty,
        "damaged_or_gone": sorted(sources.damaged),
        "files": {name: digest_file(directory / name) for name in _list_files(directory)},
    }
    _dump(directory / MANIFEST, body)
    return body


def _list_files(directory: Path) -> list[str]:
    found = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in found if name != MANIFEST and not name.endswith(".lock"))


def verify_evidence(directory: Path) -> EvidenceCheck:
    """Check a folder of evidence: every file against the manifest, and the chain of every channel copied into it.

    Raises:
        DataError: there is no readable manifest.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        promised: dict[str, str] = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{directory}: no readable {MANIFEST} ({error}); is this a folder of evidence?") from error
    present = set(_list_files(directory))
    problems = [f"{name}: missing" for name in sorted(promised.keys() - present)]
    problems += [f"{name}: not in the manifest" for name in sorted(present - promised.keys())]
    same = sorted(present & promised.keys())
    problems += [
        f"{name}: changed since it was written" for name in same if digest_file(directory / name) != promised[name]
    ]
    chains = check_chains(directory)
    problems += [problem for check in chains.values() for problem in check["problems"]]
    return EvidenceCheck(len(promised), tuple(problems), chains)


def _dump(path: Path, value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    path.write_text(f"{text}\n", encoding="utf-8")
