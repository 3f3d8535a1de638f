"""What a model card says of a run beside its scores: rows, filters, base and weights, from the run's own artifacts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from distill.engine.stage import Context
from distill.engine.store import digest_file
from distill.stages.train import STUDENT_DIR


@dataclass(frozen=True, slots=True)
class CardFacts:
    """`funnel`: the filters' steps; `training`: training.json; `audit`: the counts of the split; file -> sha256."""

    heldout_rows: int
    heldout_digest: str
    keys: Mapping[str, str]
    audit: Mapping[str, int]
    funnel: Sequence[Mapping[str, Any]]
    training: Mapping[str, Any]
    weights: Mapping[str, str]

    @property
    def base(self) -> Mapping[str, Any]:
        """What the student recorded of its base."""
        return cast("Mapping[str, Any]", self.training["base"])


def read_card_facts(context: Context, heldout_rows: int, heldout_digest: str) -> CardFacts:
    """Read what the evaluate stage's inputs know."""
    train, kept, split = (context.inputs[role] for role in ("train", "kept", "split"))
    student = train / STUDENT_DIR
    files = [path for path in sorted(student.rglob("*.safetensors")) if path.name != "probe.safetensors"]
    return CardFacts(
        heldout_rows=heldout_rows,
        heldout_digest=heldout_digest,
        keys={"train": train.name, "filter": kept.name},
        audit=cast("dict[str, int]", _read(split / "audit.json")),
        funnel=cast("list[dict[str, Any]]", _read(kept / "funnel.json")),
        training=cast("dict[str, Any]", _read(train / "training.json")),
        weights={path.relative_to(student).as_posix(): digest_file(path) for path in files},
    )


def _read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))
