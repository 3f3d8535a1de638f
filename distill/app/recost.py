"""What a run would cost under other assumptions: its measurements, another `costs` section. Nothing runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from distill.app.runs import Run
from distill.costs import CostsConfig, build_costs
from distill.engine.parquet import read_table
from distill.engine.store import Store
from distill.errors import ConfigError, Problem, UsageError
from distill.stages.report_costs import gather_costs
from distill.stages.report_files import read_files

ROLES = ("generate", "filter", "train", "evaluate", "gate")


def rebuild_costs(run: Run, changes: Mapping[str, object]) -> dict[str, Any]:
    """Return costs.json's object for a run with `changes` (dotted path -> value) made to its `costs` section.

    Raises:
        ConfigError: a path or a value is wrong.
        UsageError: the run stopped before the gate.
        StoreError: an artifact is damaged.
    """
    missing = [stage for stage in (*ROLES, "split") if stage not in run.keys]
    if missing:
        raise UsageError(f"run {run.id} stopped before {missing[0]}; run its config again without --until")
    config = make_scenario(cast("Mapping[str, Any]", run.facts["config"])["costs"], changes)
    store = Store(run.state_dir)
    inputs = {stage: store.verify(stage, run.keys[stage]) for stage in ROLES}
    inputs["split"] = store.verify("split", run.keys["split"]) / "open"
    teacher = cast("Mapping[str, Any]", run.facts["config"])["teacher"]
    is_assumption = bool(teacher.get("price_is_assumption")) or teacher["provider"] == "rehearsal"
    predictions = read_table(inputs["evaluate"] / "predictions.parquet")
    gathered = gather_costs(read_files(inputs), predictions, inputs, price_is_assumption=is_assumption)
    return cast("dict[str, Any]", build_costs(gathered, config).to_json())


def make_scenario(costs: Mapping[str, object], changes: Mapping[str, object]) -> CostsConfig:
    """Return a `costs` section with dotted paths set to other values.

    Raises:
        ConfigError: a path or a value is wrong.
    """
    tree: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in costs.items()}
    for path, value in changes.items():
        *parents, name = path.removeprefix("costs.").split(".")
        here = tree
        for parent in parents:
            here = here.setdefault(parent, {})
        here[name] = value
    try:
        return CostsConfig.model_validate(tree)
    except ValidationError as error:
        problems = [Problem("", f"costs.{'.'.join(map(str, e['loc']))}", e["msg"]) for e in error.errors()]
        raise ConfigError(problems) from error
