"""What training data and held-out set share, and gates that no student can meet: said before money is spent."""

from __future__ import annotations

import json
import math
from typing import Any

from distill.app.composition import Composition
from distill.app.runs import latest_run
from distill.engine.store import Store
from distill.errors import StoreError, UsageError
from distill.sources import read_source
from distill.stages.ingest import heldout_source
from distill.stages.leaks import Audit, find_leaks
from distill.stages.split import OPEN
from distill.tasks.prompts import input_columns

MAX_PAIRS = 200_000_000
"""Above so many pairs of rows the audit is left to the split itself."""


def audit_overlap(composition: Composition) -> Audit | None:
    """Return what the split found, or will find between two sources; None where it draws held-out rows itself.

    Raises:
        DataError: a source cannot be read.
    """
    kept = _read_audit(composition)
    if kept is not None:
        return kept
    data = composition.config.data
    if data.heldout.source is None:
        return None
    columns = input_columns(composition.config.task)
    pool = read_source(data, columns, composition.base_dir).examples
    heldout = read_source(heldout_source(data), columns, composition.base_dir).examples
    if len(pool) * len(heldout) > MAX_PAIRS:
        return None
    audit = Audit(pool=len(pool))
    find_leaks(
        pool,
        heldout,
        data.near_duplicate_threshold,
        audit,
        paraphrase_threshold=data.paraphrase_threshold,
        remove_paraphrases=data.remove_paraphrases,
    )
    return audit


def _read_audit(composition: Composition) -> Audit | None:
    store, key = Store(composition.runtime.state_dir), composition.plan.keys["split"]
    try:
        directory = store.verify("split", key)
    except (StoreError, UsageError):
        return None
    body: dict[str, Any] = json.loads((directory / OPEN / "audit.json").read_text(encoding="utf-8"))
    return Audit(**body)


def find_impossible_gates(composition: Composition) -> list[str]:
    """Say which margins no student can be shown to meet, because the teacher does not agree with itself that often.

    Only where there is no gold; the teacher's agreement with itself is that of the latest run which asked it twice.
    """
    config = composition.config
    if config.data.gold is not None:
        return []
    margins = [rule for rule in config.gate.rules if rule.margin is not None and rule.versus == "teacher"]
    if not margins:
        return []
    known = _self_agreement(composition)
    if known is None:
        return [
            "there is no gold, so the gate judges agreement with the teacher; whether a margin can be met depends on "
            "how often the teacher agrees with itself: set teacher.samples or evaluate.repeats to 2 to know"
        ]
    best = math.sqrt(known)
    return [
        f"impossible gate: {rule.metric} of {rule.of} asks for agreement of {1 - (rule.margin or 0):.1%}, but the "
        f"teacher agrees with itself {known:.1%}, so no student can agree more than {best:.1%}; set a margin above "
        f"{1 - best:.3f}"
        for rule in margins
        if best < 1 - (rule.margin or 0)
    ]


def _self_agreement(composition: Composition) -> float | None:
    run = latest_run(composition.runtime.runs_dir, composition.config.name)
    if run is None or "evaluate" not in run.keys:
        return None
    try:
        path = run.artifact("evaluate") / "evaluation.json"
        found = json.loads(path.read_text(encoding="utf-8")).get("self_agreement")
    except (OSError, UsageError, StoreError, ValueError):
        return None
    return None if not found else float(found["rate"])
