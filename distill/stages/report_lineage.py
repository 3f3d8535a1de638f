"""Gathers where a result comes from: stages and their records, versions, hashes, licences, terms, and the looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from distill.engine.stage import Context
from distill.engine.store import Store
from distill.reports import Lineage, Look, StageFacts
from distill.stages.looks import LookKind, name_rules, read_looks, tell_rules
from distill.stages.report_files import Files
from distill.teachers.config import TermsConfig

ORDER = ("ingest", "split", "generate", "filter", "train", "evaluate", "gate")


def gather_lineage(files: Files, context: Context, terms: TermsConfig, seeds: Mapping[str, int]) -> Lineage:
    """Say what the result was made of; what nobody recorded is left out."""
    records = _complete(files.records, context.state_dir)
    latest = records.get("gate", {})
    standing = files.generate["standing"]
    base = files.training.get("base", {})
    served = files.generate["ledger"]["models_served"] or files.evaluate["ledger"]["models_served"]
    hashes = {"held-out set": files.evaluation["heldout_digest"]}
    hashes |= {f"{name} of {base.get('name', 'the base')}": digest for name, digest in base.get("hashes", {}).items()}
    hashes |= {f"{stage}/{name}": str(digest) for stage, name, digest in _files_of(records)}
    return Lineage(
        stages=tuple(_stage_facts(name, records[name]) for name in ORDER if name in records),
        commit=latest.get("commit"),
        versions=latest.get("versions", {}),
        seeds=dict(seeds),
        hashes=hashes,
        licences=_licences(base),
        terms=terms.training_on_outputs,
        terms_source=terms.source,
        sunset=standing.get("sunset"),
        sunset_days_left=standing.get("days_left"),
        machine=_describe_machine(latest.get("machine", {})),
        model_served=", ".join(served) or None,
        environment_lock=latest.get("lock"),
    )


def _complete(records: Mapping[str, dict[str, Any]], state_dir: Path) -> dict[str, dict[str, Any]]:
    """Add the record of ingest, which the report has no other reason to read."""
    key = records.get("split", {}).get("upstream", {}).get("examples")
    found = None if key is None else Store(state_dir).record("ingest", key)
    return {**records} if found is None else {**records, "ingest": found}


def _stage_facts(name: str, record: Mapping[str, Any]) -> StageFacts:
    return StageFacts(
        stage=name,
        key=str(record["key"]),
        made=datetime.fromtimestamp(record["started_unix_s"], UTC).isoformat(timespec="seconds"),
        version=int(record["version"]),
        rows_in=record["rows_in"],
        rows_out=record["rows_out"],
        seconds=record["seconds"],
        cost_usd=record["cost_usd"],
        commit=record.get("commit"),
    )


def _files_of(records: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the hashes of what was taught and judged: kept rows, adapter or weights, predictions."""
    wanted = ("kept.parquet", ".safetensors", "predictions.parquet", "gate.json")
    found: list[tuple[str, str, str]] = []
    for stage in ("filter", "evaluate", "gate"):
        files = cast("Mapping[str, str]", records.get(stage, {}).get("files", {}))
        found += [(stage, name, digest) for name, digest in files.items() if name.endswith(wanted)]
    return found


def _licences(base: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    licence = base.get("licence")
    if not base.get("name"):
        return ()
    if base["name"] == "tiny":
        return (("base model: built on the spot, random weights", "none needed"),)
    return ((f"base model: {base['name']}", str(licence) if licence else "not stated in its card"),)


def _describe_machine(machine: Mapping[str, Any]) -> str | None:
    return f"{machine['system']} {machine['processor']}, {machine['cores']} cores" if machine else None


def gather_looks(files: Files, context: Context, student: str) -> tuple[Look, ...]:
    """Return the looks at this held-out set up to this one; what earlier ones came to where their files remain."""
    kind: LookKind = "rehearsal" if files.evaluation.get("is_rehearsal") else "look"
    number = (files.gate.get("looks") or files.evaluation)["look"]
    looked = read_looks(context.state_dir, files.evaluation["heldout_digest"], kind)[:number]
    decisions = _decisions(Store(context.state_dir))
    own = Look(number, files.evaluation["finished"], student, files.gate["decision"])
    return (*(_look(number, key, context, decisions) for number, key in enumerate(looked[:-1], 1)), own)


def _look(number: int, key: str, context: Context, decisions: Mapping[str, str]) -> Look:
    decision = decisions.get(key)
    again = "other rules: " if tell_rules(key) else ""
    key = key.partition(":")[0]
    record = Store(context.state_dir).record("evaluate", key)
    if record is None:
        return Look(number, "", f"{again}{key[:12]} (its files are gone)", decision)
    when = datetime.fromtimestamp(cast("float", record["started_unix_s"]), UTC).isoformat(timespec="seconds")
    student = cast("Mapping[str, Any]", record["config"])["student"]
    base = student["base"] if isinstance(student["base"], str) else "tiny"
    return Look(number, when, f"{again}{base} ({student['kind']}), {key[:12]}", decision)


def _decisions(store: Store) -> dict[str, str]:
    """Return look -> what a gate said of it: the evaluation's key, with `:RULES` where others were tried."""
    found: dict[str, str] = {}
    records = [
        json.loads(path.read_text("utf-8")) for path in (store.root / "artifacts" / "gate").glob("*/record.json")
    ]
    for record in sorted(records, key=lambda record: record.get("started_unix_s", 0.0)):
        evaluation, decision = record["upstream"]["evaluate"], str(record["facts"].get("decision"))
        found.setdefault(evaluation, decision)
        rules = record.get("config", {}).get("gate")
        if rules is not None:
            found[f"{evaluation}:{name_rules(rules)}"] = decision
    return found
