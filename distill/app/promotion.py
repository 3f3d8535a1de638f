"""Promotion: the one place where a gate's word moves a channel. Reads decisions, makes none."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from distill.app.decisions import read_stated_decision
from distill.app.disparity import find_disparity
from distill.app.identity import Identity, Load, check_identity
from distill.app.runs import Run, list_teachers
from distill.app.summary import find_judged_system
from distill.engine.channels import Action, ChannelEntry, Channels, Depot, hash_files
from distill.errors import PromotionRefusedError, UsageError
from distill.records.json import Json
from distill.records.live import CanaryRules


@dataclass(frozen=True, slots=True)
class Wish:
    """How a channel shall move. `canary` None: whole; `place` None: the run's state directory."""

    channel: str = "production"
    force: bool = False
    reason: str | None = None
    place: Path | str | None = None
    canary: CanaryRules | None = None
    base_sunset: date | None = None


def promote(run: Run, wish: Wish, load: Load | None = None) -> ChannelEntry:
    """Point a channel at a run's student, if the gate said promote and the student is what the gate saw.

    Raises:
        PromotionRefusedError: the gate said something else, the forms disagree or it was a rehearsal (and no `force`);
            the student differs from what the gate saw (`force` does not help), or the channel moved.
        UsageError: the run never reached the gate, or `force` comes without a reason.
        DataError: gate.json is damaged.
        StoreError: the student's files are not those that were recorded, or the place cannot be written.
    """
    decision = read_stated_decision(run)
    word = str(decision["decision"])
    objection = f"the gate said {word}: {decision['reason']}" if word != "promote" else find_disparity(run)
    objection = objection or find_stand_in(run)
    if objection is not None and not wish.force:
        raise PromotionRefusedError(
            f"run {run.id}: {objection}; nothing moved "
            "(a person may override with --force --reason TEXT, which is kept in the channel's history)"
        )
    if wish.force and not (wish.reason or "").strip():
        raise UsageError("--force needs --reason TEXT; it is kept in the channel's history")
    place = run.state_dir if wish.place is None else wish.place
    channels = Channels(place)
    head = channels.state(wish.channel).head
    compared = _compared_version(decision, wish.channel)
    identity = check_identity(run, decision, load)
    action: Action = "canary" if wish.canary is not None else "promote" if objection is None else "force"
    return channels.move(
        wish.channel,
        Depot(place, run.state_dir).publish(identity.student),
        expected_version=head if compared is None else compared,
        who=getpass.getuser(),
        why=wish.reason or str(decision["reason"]),
        action=action,
        metadata=_metadata(run, decision, identity, wish),
    )


def find_stand_in(run: Run) -> str | None:
    """Say that a run was a rehearsal: its student learnt from a stand-in, and its looks are counted apart."""
    path = run.artifact("evaluate") / "evaluation.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("is_rehearsal", False):
        return "it was a rehearsal, whose teacher is a stand-in; run the config itself"
    return None


def _compared_version(decision: Mapping[str, Any], channel: str) -> int | None:
    versions = cast("Mapping[str, int]", decision.get("channels") or {})
    return versions.get(channel)


def _metadata(run: Run, decision: Mapping[str, Any], identity: Identity, wish: Wish) -> dict[str, Json]:
    manifest = json.loads((identity.student / "distill.json").read_text(encoding="utf-8"))
    facts: dict[str, Json] = {
        "run": run.id,
        "name": str(run.facts["name"]),
        "decision": str(decision["decision"]),
        "reason": str(decision["reason"]),
        "notes": [str(note) for note in decision.get("notes", ())],
        "system": find_judged_system(decision),
        "keys": dict(run.keys),
        "heldout_digest": str(decision["heldout_digest"]),
        "thresholds": manifest.get("thresholds", {}),
        "base": manifest.get("base", {}),
        "chat_template_sha256": manifest.get("chat_template_sha256"),
        "parity": {"rows": identity.parity_rows},
        "terms": [teacher.get("terms") for teacher in list_teachers(run)],
        "sunset": {
            "teacher": _teacher_sunset(run, identity.student.parent),
            "base": None if wish.base_sunset is None else wish.base_sunset.isoformat(),
        },
        "files": dict(hash_files(identity.student)),
    }
    if wish.canary is not None:
        facts["canary"] = wish.canary.model_dump(mode="json")
    return facts


def _teacher_sunset(run: Run, evaluated: Path) -> str | None:
    """Return the day the teacher is switched off: as the config states it, else as its server listed it."""
    config = cast("Mapping[str, Any]", run.facts["config"])
    stated = config.get("teacher", {}).get("sunset")
    if stated not in (None, "auto"):
        return str(stated)
    path = evaluated / "ledger.json"
    standing = json.loads(path.read_text(encoding="utf-8")).get("standing", {}) if path.is_file() else {}
    return None if standing.get("sunset") is None else str(standing["sunset"])


def rollback(place: Path | str, channel: str, to: int | None, reason: str) -> ChannelEntry:
    """Point a channel back at an earlier version; a canary under way is ended first.

    Raises:
        UsageError: there is no such version.
        StoreError: the channel's history is damaged.
    """
    return Channels(place).rollback(channel, to, who=getpass.getuser(), why=reason)
