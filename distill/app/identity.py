"""Is the student that is about to be promoted the one the gate saw? Base, tokenizer, template, threshold, parity."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from distill.app.runs import Run
from distill.engine.store import Store
from distill.errors import ConfigError, DataError, PromotionRefusedError, StoreError
from distill.serving.students import LoadedStudent, load_student
from distill.stages.parity import compare, probe, read_probes
from distill.stages.split import OPEN

Load = Callable[[Path, str], LoadedStudent]


@dataclass(frozen=True, slots=True)
class Identity:
    """A student that is what the gate saw: where it is, and how many answers were compared."""

    student: Path
    parity_rows: int


def check_identity(run: Run, decision: Mapping[str, Any], load: Load | None = None) -> Identity:
    """Check a run's student against what was evaluated and judged; loads it and asks it again.

    Raises:
        PromotionRefusedError: something differs; the message names it.
        StoreError: an artifact's files are not those that were recorded.
    """
    store = Store(run.state_dir)
    evaluated = store.verify("evaluate", run.keys["evaluate"])
    _check_gate(run, store, decision)
    _check_threshold(run, evaluated)
    _check_manifest(run, store, evaluated)
    student = evaluated / "student"
    try:
        loaded = (load or load_student)(student, run.id)
    except (StoreError, ConfigError, DataError) as error:
        raise PromotionRefusedError(f"run {run.id}: the student is not what the gate saw: {error}") from error
    return Identity(student, _check_parity(run, store, evaluated, loaded))


def _check_gate(run: Run, store: Store, decision: Mapping[str, Any]) -> None:
    """The word in the run directory is the gate's own, about this evaluation."""
    key = run.keys.get("gate")
    if key is None:
        raise PromotionRefusedError(f"run {run.id}: run.json names no gate; run its config again")
    judged = store.verify("gate", key)
    if json.loads((judged / "gate.json").read_text(encoding="utf-8")) != decision:
        raise PromotionRefusedError(f"run {run.id}: gate.json differs from what the gate wrote ({judged})")
    upstream = cast("Mapping[str, str]", (store.record("gate", key) or {}).get("upstream", {}))
    if upstream.get("evaluate") != run.keys["evaluate"]:
        raise PromotionRefusedError(f"run {run.id}: the gate judged another evaluation than the one in run.json")


def _check_threshold(run: Run, evaluated: Path) -> None:
    """The threshold that will be served is the one that was evaluated."""
    evaluation = json.loads((evaluated / "evaluation.json").read_text(encoding="utf-8"))
    manifest = json.loads((evaluated / "student" / "distill.json").read_text(encoding="utf-8"))
    stored = (manifest.get("thresholds") or {}).get("fallback")
    served = stored.get("threshold") if isinstance(stored, dict) else stored
    judged = (evaluation.get("threshold") or {}).get("threshold")
    if served != judged:
        raise PromotionRefusedError(
            f"run {run.id}: the student's threshold is {served!r}, the gate saw {judged!r}; run its config again"
        )


def _check_manifest(run: Run, store: Store, evaluated: Path) -> None:
    """But for its threshold, the evaluated student says of itself what training wrote: base, template, task, labels."""
    if "train" not in run.keys:
        return
    trained = store.verify("train", run.keys["train"])
    before, now = (
        json.loads((place / "student" / "distill.json").read_text(encoding="utf-8")) for place in (trained, evaluated)
    )
    differing = sorted(name for name in {*before, *now} - {"thresholds"} if before.get(name) != now.get(name))
    if differing:
        raise PromotionRefusedError(
            f"run {run.id}: the student's {', '.join(differing)} in distill.json differ from what training wrote"
        )


def _check_parity(run: Run, store: Store, evaluated: Path, loaded: LoadedStudent) -> int:
    expected = read_probes(evaluated)
    if expected is None:
        raise PromotionRefusedError(
            f"run {run.id} was evaluated before its answers were kept for comparison; "
            "run its config again with --from evaluate"
        )
    if not expected or loaded.predictor is None:
        return 0
    split = store.verify("split", run.keys["split"]) / OPEN
    found = probe(loaded.predictor, loaded.task, split, [one["id"] for one in expected])
    if differences := compare(expected, found):
        shown = "; ".join(differences[:3])
        raise PromotionRefusedError(
            f"run {run.id}: {len(differences)} of {len(expected)} answers differ from what was evaluated ({shown}); "
            "another base, tokenizer, library or device? Evaluate here: run its config with --from evaluate"
        )
    return len(expected)
