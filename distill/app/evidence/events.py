"""The event log: what happened to a run and when, from its log, the stages' records and the channels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distill.app.evidence.sources import Sources
from distill.engine.channels import ChannelEntry
from distill.stages.looks import read_looks, tell_rules


def list_events(sources: Sources, entries: Sequence[ChannelEntry]) -> list[dict[str, Any]]:
    """Return events with `when` (ISO 8601, UTC), `event` and `source`, oldest first; undated ones come last."""
    events = [*_stage_events(sources), *_log_events(sources), *_look_events(sources), *_channel_events(entries)]
    return sorted(events, key=lambda event: (event["when"] is None, event["when"] or ""))


def _stage_events(sources: Sources) -> list[dict[str, Any]]:
    return [
        {
            "when": datetime.fromtimestamp(record["started_unix_s"], UTC).isoformat(timespec="milliseconds"),
            "event": "artifact_made",
            "stage": stage,
            "key": record["key"],
            "seconds": record["seconds"],
            "rows_in": record["rows_in"],
            "rows_out": record["rows_out"],
            "cost_usd": record["cost_usd"],
            "source": f"record.json of {stage}",
        }
        for stage, record in sources.records.items()
    ]


def _log_events(sources: Sources) -> list[dict[str, Any]]:
    path = sources.run.directory / "log.jsonl"
    found: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            entry = json.loads(line)
            when = datetime.fromisoformat(entry.pop("timestamp"))
        except (ValueError, KeyError, AttributeError):
            found.append({"when": None, "event": "unreadable_log_line", "source": "log.jsonl"})
            continue
        found.append({"when": when.isoformat(timespec="milliseconds"), **entry, "source": "log.jsonl"})
    return found


def _look_events(sources: Sources) -> list[dict[str, Any]]:
    digest = sources.get("gate.json", "heldout_digest")
    looks = [] if digest is None else read_looks(sources.run.state_dir, digest)
    own = sources.run.keys.get("evaluate")
    return [
        {
            "when": sources.get("evaluation.json", "finished") if key == own else None,
            "event": "judged_again_by_other_rules" if tell_rules(key) else "look_at_held_out_set",
            "number": number,
            "evaluation": key.partition(":")[0],
            "source": "looks",
        }
        for number, key in enumerate(looks, 1)
    ]


def _channel_events(entries: Sequence[ChannelEntry]) -> list[dict[str, Any]]:
    return [
        {
            "when": entry.when,
            "event": f"channel_{entry.action}",
            "channel": entry.channel,
            "version": entry.version,
            "who": entry.who,
            "why": entry.why,
            "hash": entry.hash,
            "source": f"channels/{entry.channel}.jsonl",
        }
        for entry in entries
    ]


def write_events(path: Path, events: Sequence[dict[str, Any]]) -> None:
    """Write one JSON object a line.

    Raises:
        OSError: the disk refuses.
    """
    lines = [json.dumps(event, ensure_ascii=False, default=str) for event in events]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
