"""Promotions as evidence: every channel's chain of hashes, checked; who overrode what; is the student unchanged?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.app.runs import Run
from distill.engine.channels import MOVES, ChannelEntry, Channels, describe_entry, hash_files
from distill.errors import StoreError

MONITOR = "monitor"
AGAINST: frozenset[str] = frozenset({"force", "rollback"})
"""Actions against the gate's word, or back from it."""


def check_chains(root: Path) -> dict[str, dict[str, Any]]:
    """Check every channel under a root (a state directory or a folder of evidence); what is wrong does not raise."""
    found: dict[str, dict[str, Any]] = {}
    channels = Channels(root)
    for name in channels.names():
        check = channels.verify(name)
        found[name] = {
            "versions": check.versions,
            "is_sound": check.is_sound,
            "half_written_last_line": check.torn,
            "problems": list(check.problems),
            "head": _head(channels, name) if check.is_sound else None,
        }
    return found


def _head(channels: Channels, name: str) -> str | None:
    entry = channels.read(name)
    return None if entry is None else entry.hash


def entries_of(run: Run, checks: Mapping[str, Mapping[str, Any]]) -> list[ChannelEntry]:
    """Return the entries of sound channels that put a run's student somewhere or replaced it, oldest first."""
    channels = Channels(run.state_dir)
    found: list[ChannelEntry] = []
    for name in (name for name, check in checks.items() if check["is_sound"]):
        served: object = None
        for entry in channels.history(name):
            if run.id in (entry.metadata.get("run"), served):
                found.append(entry)
            served = entry.metadata.get("run") if entry.action in MOVES else served
    return sorted(found, key=lambda entry: (entry.when, entry.channel))


def describe_promotions(
    run: Run, checks: Mapping[str, Mapping[str, Any]], entries: Sequence[ChannelEntry]
) -> dict[str, Any]:
    """Return promotions.json's object: the chains, and this run's entries with whether their student is unchanged."""
    described = [{**describe_entry(entry), "student": _check_student(run.state_dir, entry)} for entry in entries]
    return {"channels": checks, "entries_of_this_run": described}


def _check_student(state_dir: Path, entry: ChannelEntry) -> str:
    promised = entry.metadata.get("files")
    if not promised:
        return "unknown: the entry names no hashes"
    try:
        found = dict(hash_files(state_dir / entry.target))
    except (OSError, StoreError) as error:
        return f"cannot be read: {error}"
    return "unchanged since the promotion" if found == promised else "CHANGED since the promotion"


def describe_oversight(entries: Sequence[ChannelEntry], gate: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return human-oversight.json's object: each time a person went against the gate or back, with the reason."""
    records = [
        {
            "when": entry.when,
            "who": entry.who,
            "by_a_person": entry.who != MONITOR,
            "channel": entry.channel,
            "version": entry.version,
            "action": entry.action,
            "why": entry.why,
            "gate_said": entry.metadata.get("decision"),
            "restores": entry.restores,
            "hash": entry.hash,
        }
        for entry in entries
        if entry.action in AGAINST
    ]
    decision = None if gate is None else gate.get("decision")
    note = (
        "" if records else "Empty: nobody overrode the gate or rolled this run back, as far as the channels here tell."
    )
    return {"gate_decision": decision, "overrides_and_rollbacks": records, "note": note}
