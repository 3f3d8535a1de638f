"""The summary of the training data: where it came from, how much was kept and why, labels, lengths, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from distill.app.evidence.sources import Sources
from distill.app.runs import list_teachers
from distill.engine.parquet import read_table

LABELS_SHOWN = 60
NOT_KNOWN = "not known to the run"


def summarise_training_data(sources: Sources) -> dict[str, Any]:
    """Return the summary; what nobody recorded is None, and texts are never copied.

    Raises:
        StoreError: a table is damaged.
    """
    panel = list_teachers(sources.run)
    kept = _read_kept(sources)
    audit = sources.files.get("audit.json") or {}
    again = sources.files.get("regenerate.json")
    funnel: Sequence[Mapping[str, Any]] = sources.files.get("funnel.json") or []
    return {
        "sources": _digests(sources),
        "gold_column": sources.config["data"].get("gold"),
        "rows": {name: audit.get(name) for name in ("pool", "train", "validation", "heldout")},
        "duplicates_removed": audit.get("duplicates_removed"),
        "leaks_removed_from_training": audit.get("leaks_removed_from_train"),
        "answers_by": ", ".join(teacher["model"] for teacher in panel),
        "terms": panel[0]["terms"] if len(panel) == 1 else {teacher["model"]: teacher["terms"] for teacher in panel},
        "dropped": {step["filter"]: step["reasons"] for step in funnel if step["reasons"]},
        "asked_again": None if again is None else {name: again[name] for name in ("asked_rows", "answers", "rescued")},
        "kept": None if kept is None else len(kept),
        "labels": None if kept is None else _label_mix(kept),
        "input_length_chars": None if kept is None else _spread([len(row["text"] or "") for row in kept]),
        "answer_length_tokens": None if kept is None else _spread([row["output_tokens"] or 0 for row in kept]),
        "groups": None if kept is None else _slice_mix(kept),
        "personal_data": _say_personal_data(sources),
        "copyright": None,
        "collected": None,
    }


def _read_kept(sources: Sources) -> list[dict[str, Any]] | None:
    if "filter" not in sources.records:
        return None
    path = sources.run.artifact("filter") / "kept.parquet"
    return cast("list[dict[str, Any]]", read_table(path, ["text", "target", "output_tokens", "slices"]).to_pylist())


def _digests(sources: Sources) -> dict[str, Any]:
    recorded = sources.records.get("ingest", {}).get("config", {}).get("digests") or {}
    data = sources.config["data"]
    named = {"source": data["source"], "heldout": data["heldout"].get("source")}
    return {name: f"{path} (sha256 {recorded.get(name) or NOT_KNOWN})" for name, path in named.items() if path}


def _label_mix(kept: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    counts = Counter(str(row["target"]) for row in kept)
    return dict(counts.most_common()) if len(counts) <= LABELS_SHOWN else None


def _slice_mix(kept: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    pairs = (pair for row in kept for pair in cast("list[tuple[str, str]]", row["slices"] or []))
    return dict(sorted(Counter(f"{name}={value}" for name, value in pairs).items()))


def _spread(lengths: Sequence[int]) -> dict[str, float] | None:
    if not lengths:
        return None
    found = np.percentile(lengths, (0, 50, 95, 100))
    return dict(zip(("least", "median", "p95", "most"), (float(value) for value in found), strict=True))


def _say_personal_data(sources: Sources) -> str:
    names = {step["name"] for step in sources.config["filters"]}
    if "pii" in names:
        return "a filter looked for card numbers, bank accounts, addresses, telephone numbers and keys (see dropped)"
    return "no filter looked for personal data in this run"


def render_training_data(summary: Mapping[str, Any]) -> str:
    """Return the summary as Markdown; a field without a value says so."""
    lines = ["# Training data", "", "Summarised from the run's own tables. No input text is copied here.", ""]
    for name, value in summary.items():
        lines.append(f"## {name.replace('_', ' ').capitalize()}")
        lines += ["", *_render(value), ""]
    return "\n".join(lines)


def _render(value: object) -> list[str]:
    if value is None:
        return [f"**Empty:** {NOT_KNOWN}."]
    if isinstance(value, Mapping):
        return [f"- {_inline(key)}: {_inline(item)}" for key, item in value.items()] or ["None."]
    return [_inline(value)]


def _inline(value: object) -> str:
    text = NOT_KNOWN if value is None else " ".join(str(value).split())
    return text.replace("<", "&lt;").replace("`", "'")
