"""Promotion: the one place where a gate's word moves a channel. Reads decisions, makes none."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from distill.app.runs import Run
from distill.app.summary import find_judged_system
from distill.engine.channels import ChannelEntry, Channels, hash_files
from distill.engine.store import Store
from distill.errors import PromotionRefusedError, UsageError
from distill.records.json import Json


def promote(run: Run, channel: str, *, force: bool, reason: str | None) -> ChannelEntry:
    """Point a channel at a run's student, if the gate said promote and the student is what the gate saw.

    Raises:
        PromotionRefusedError: the gate said something else (and there is no `force`), or the channel moved.
        UsageError: the run never reached the gate, or `force` comes without a reason.
        StoreError: the student's files are not those that were recorded.
    """
    path = run.directory / "gate.json"
    if not path.is_file():
        raise UsageError(f"run {run.id} stopped before the gate; run its config again without --until")
    decision = cast("Mapping[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    word = str(decision["decision"])
    if word != "promote" and not force:
        raise PromotionRefusedError(
            f"the gate said {word} for run {run.id}: {decision['reason']}; nothing moved "
            "(a person may override with --force --reason TEXT, which is kept in the channel's history)"
        )
    if force and not (reason or "").strip():
        raise UsageError("--force needs --reason TEXT; it is kept in the channel's history")
    student = Store(run.state_dir).verify("evaluate", run.keys["evaluate"]) / "student"
    channels = Channels(run.state_dir)
    compared = _compared_version(decision, channel)
    expected = compared if compared is not None else channels.state(channel).head
    return channels.move(
        channel,
        str(student.relative_to(run.state_dir)),
        expected_version=expected,
        who=getpass.getuser(),
        why=reason or str(decision["reason"]),
        action="force" if word != "promote" else "promote",
        metadata=_metadata(run, decision, student),
    )


def _compared_version(decision: Mapping[str, Any], channel: str) -> int | None:
    versions = cast("Mapping[str, int]", decision.get("channels") or {})
    return versions.get(channel)


def _metadata(run: Run, decision: Mapping[str, Any], student: Path) -> dict[str, Json]:
    manifest = json.loads((student / "distill.json").read_text(encoding="utf-8"))
    return {
        "run": run.id,
        "name": str(run.facts["name"]),
        "decision": str(decision["decision"]),
        "system": find_judged_system(decision),
        "keys": dict(run.keys),
        "heldout_digest": str(decision["heldout_digest"]),
        "thresholds": manifest.get("thresholds", {}),
        "base": manifest.get("base", {}),
        "files": dict(hash_files(student)),
    }


def rollback(state_dir: Path, channel: str, to: int | None, reason: str) -> ChannelEntry:
    """Point a channel back at an earlier version.

    Raises:
        UsageError: there is no such version.
        StoreError: the channel's history is damaged.
    """
    return Channels(state_dir).rollback(channel, to, who=getpass.getuser(), why=reason)
