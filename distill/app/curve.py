"""The learning curve of a config: its plan up to the filters, then the curve stage. Promotes and gates nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from distill.app.composition import Composition
from distill.app.runs import latest_run
from distill.engine.logging import configure_logging
from distill.engine.runner import Listener, run_plan
from distill.engine.stage import Input, Node, Plan
from distill.engine.store import Store, translate_os_errors
from distill.errors import UsageError
from distill.stages.curve import CURVE, FILE, CurveConfig
from distill.stages.split import OPEN


class Curve(NamedTuple):
    """curve.json's object and where it lies."""

    body: dict[str, Any]
    path: Path


def parse_fractions(text: str) -> tuple[float, ...]:
    """Read fractions like `0.0625,0.125,1`.

    Raises:
        UsageError: one is no number in (0, 1].
    """
    try:
        fractions = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError as error:
        raise UsageError(f"--fractions {text!r}: numbers in (0, 1], separated by commas") from error
    if not all(0 < fraction <= 1 for fraction in fractions):
        raise UsageError(f"--fractions {text!r}: each must be above 0 and at most 1")
    return fractions


def draw_curve(
    composition: Composition, fractions: tuple[float, ...], more_rows: int | None, listener: Listener
) -> Curve:
    """Measure (or find again) the learning curve; a run of the same rows gets a copy in its directory.

    Raises:
        DistillError: whatever a stage raises; finished stages, and measured parts, are kept.
    """
    config, runtime = composition.config, composition.runtime
    taught = CurveConfig(config.task, config.student, fractions, more_rows)
    inputs = {"split": Input("split", OPEN), "kept": Input("filter"), "generate": Input("generate")}
    plan = Plan((*composition.plan.until("filter").nodes, Node(CURVE, taught, {}, inputs)))
    store, previous = Store(runtime.state_dir), latest_run(runtime.runs_dir, config.name)
    with translate_os_errors(runtime.state_dir):
        log_file = runtime.state_dir / "logs" / f"curve-{plan.keys[CURVE.name][:12]}.jsonl"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        configure_logging(runtime.log_level, log_file)
        run_plan(
            plan,
            store,
            composition.surroundings,
            listener=listener,
            previous=previous.keys if previous else {},
            seeds={"student": config.student.seed, "data": config.data.seed},
        )
    path = store.directory(CURVE.name, plan.keys[CURVE.name]) / FILE
    if previous is not None and previous.keys.get("filter") == plan.keys["filter"]:
        path = Path(shutil.copyfile(path, previous.directory / FILE))
    return Curve(json.loads(path.read_text(encoding="utf-8")), path)
