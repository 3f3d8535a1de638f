"""The sealed held-out set: read once, and only if it is what the split sealed."""

from __future__ import annotations

import json
from dataclasses import dataclass

from distill.engine.stage import Context
from distill.errors import DataError
from distill.records.example import Example
from distill.stages.examples_table import read_examples
from distill.stages.split import seal_digest


@dataclass(frozen=True, slots=True)
class Sealed:
    """The held-out rows and the digest over their ids and contents."""

    rows: list[Example]
    digest: str


def read_sealed(context: Context) -> Sealed:
    """Read the held-out set and check its seal.

    Raises:
        DataError: rows or contents differ from what the split sealed.
    """
    rows = read_examples(context.inputs["sealed"] / "heldout.parquet")
    seal = json.loads((context.inputs["sealed"] / "seal.json").read_text(encoding="utf-8"))
    if seal_digest(rows) != seal["digest"] or len(rows) != seal["rows"]:
        raise DataError(f"{context.inputs['sealed']}: the held-out set is not the one that was sealed; run split again")
    return Sealed(rows, str(seal["digest"]))
