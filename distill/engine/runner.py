"""Runs a plan: skips what is whole, makes what is not, publishes each stage as it ends.

Whatever happens, finished stages stay finished; the next run goes on where this one stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import structlog

from distill.engine import interrupts
from distill.engine.fingerprint import diff
from distill.engine.provenance import digest_versions, read_commit, read_machine, read_versions
from distill.engine.stage import Context, Node, Plan, Summary
from distill.engine.store import Store
from distill.errors import InterruptedRunError, StoreError

Status = Literal["ran", "cached"]


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something a listener may show: started, progress or finished."""

    kind: Literal["started", "progress", "finished"]
    stage: str
    why: tuple[str, ...] = ()
    done: int = 0
    total: int | None = None
    note: str = ""
    status: Status | None = None
    seconds: float = 0.0


Listener = Callable[[StageEvent], None]


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage of a finished run, as run.json lists it."""

    stage: str
    key: str
    status: Status
    seconds: float
    rows_in: int
    rows_out: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will happen to a stage, and why."""

    stage: str
    key: str
    status: Literal["cached", "will run"]
    why: tuple[str, ...]


def forecast(plan: Plan, store: Store, previous: Mapping[str, str], rerun_from: str | None = None) -> list[Forecast]:
    """Say for each stage whether it is cached or will run, and why; nothing runs.

    Args:
        plan: the plan.
        store: where artifacts are.
        previous: stage -> key of the last run of the same name; changes are named against it.
        rerun_from: the stage from which all is made anew.

    Raises:
        UsageError: `rerun_from` is no stage of the plan.
    """
    forced = _forced(plan, rerun_from)
    lines: list[Forecast] = []
    will_run: set[str] = set()
    for node in plan.nodes:
        name = node.stage.name
        key = plan.keys[name]
        if name not in forced and store.is_whole(name, key):
            lines.append(Forecast(name, key, "cached", ()))
            continue
        why = explain(node, key, store, previous, will_run)
        if name in forced:
            why = ("asked for by --from", *why) if name == rerun_from else why
        will_run.add(name)
        lines.append(Forecast(name, key, "will run", why))
    return lines


def explain(node: Node, key: str, store: Store, previous: Mapping[str, str], will_run: set[str]) -> tuple[str, ...]:
    """Name what changed since the last run of a stage, down to the config field."""
    name = node.stage.name
    old_key = previous.get(name)
    record = store.record(name, old_key) if old_key else None
    stale = dict.fromkeys(item.stage for item in node.inputs.values() if item.stage in will_run)
    upstream = tuple(f"{stage} will run" for stage in stale)
    if record is None:
        return upstream or ("never ran",)
    if old_key == key:
        return upstream or ("its artifact is gone",)
    why = diff(record["config"], node.plain_config)
    why += diff(record["parts"], dict(node.parts), "version of")
    if record["version"] != node.stage.version:
        why.append(f"stage version: {record['version']} -> {node.stage.version}")
    return (*why, *upstream) or ("an input changed",)


def run_plan(
    plan: Plan,
    store: Store,
    runtime: object,
    *,
    listener: Listener,
    previous: Mapping[str, str],
    rerun_from: str | None = None,
    seeds: Mapping[str, int] | None = None,
) -> list[StageResult]:
    """Bring every stage of the plan up to date; return what each one did.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM; finished stages are kept.
        KeyboardInterrupt: likewise, between two stages.
        StoreError: an input artifact is damaged, or the disk refuses.
        DistillError: whatever a stage raises.
    """
    forecasts = forecast(plan, store, previous, rerun_from)
    results: list[StageResult] = []
    for node, ahead in zip(plan.nodes, forecasts, strict=True):
        interrupts.check()
        name, key = node.stage.name, plan.keys[node.stage.name]
        if ahead.status == "cached":
            results.append(_result_of(store, name, key, "cached"))
            listener(StageEvent("finished", name, status="cached"))
            continue
        if rerun_from is not None:
            store.forget(name, key)
        listener(StageEvent("started", name, why=ahead.why))
        with structlog.contextvars.bound_contextvars(stage=name):
            ran = _make(node, plan, store, runtime, listener, seeds or {})
        results.append(_result_of(store, name, key, "ran" if ran else "cached"))
        listener(StageEvent("finished", name, status="ran", seconds=results[-1].seconds))
    return results


def _forced(plan: Plan, rerun_from: str | None) -> set[str]:
    if rerun_from is None:
        return set()
    plan.node(rerun_from)
    names = [node.stage.name for node in plan.nodes]
    return set(names[names.index(rerun_from) :])


def _make(node: Node, plan: Plan, store: Store, runtime: object, listener: Listener, seeds: Mapping[str, int]) -> bool:
    name, key = node.stage.name, plan.keys[node.stage.name]
    log = structlog.get_logger("distill")
    inputs: dict[str, Path] = {}
    for role, item in node.inputs.items():
        inputs[role] = store.verify(item.stage, plan.keys[item.stage]) / item.folder
    with store.claim(name, key) as scratch:
        if store.is_whole(name, key):
            return False
        context = Context(
            key=key,
            inputs=inputs,
            output_dir=scratch.output_dir,
            work_dir=scratch.work_dir,
            state_dir=store.root,
            runtime=runtime,
            progress=partial(_pass_on, listener, name),
        )
        started = time.time()
        log.info("stage_started", key=key[:12])
        try:
            summary = node.stage.run(node.config, context)
        except KeyboardInterrupt as error:
            raise InterruptedRunError(f"interrupted in {name}; run the same command again to resume") from error
        seconds = time.time() - started
        store.publish(name, key, _describe(node, plan, summary, started, seconds, seeds))
        log.info("stage_finished", key=key[:12], seconds=round(seconds, 3), rows_out=summary.rows_out)
    return True


def _pass_on(listener: Listener, stage: str, done: int, total: int | None, note: str = "") -> None:
    interrupts.check()  # a stage of many steps stops at the next one, also where the signal itself was lost
    listener(StageEvent("progress", stage, done=done, total=total, note=note))


def _describe(
    node: Node, plan: Plan, summary: Summary, started: float, seconds: float, seeds: Mapping[str, int]
) -> dict[str, object]:
    return {
        "version": node.stage.version,
        "config": node.plain_config,
        "parts": dict(node.parts),
        "upstream": {role: plan.keys[item.stage] for role, item in node.inputs.items()},
        "rows_in": summary.rows_in,
        "rows_out": summary.rows_out,
        "cost_usd": summary.cost_usd,
        "facts": dict(summary.facts),
        "started_unix_s": round(started, 3),
        "seconds": round(seconds, 3),
        "commit": read_commit(Path.cwd()),
        "lock": digest_versions(),
        "versions": read_versions(),
        "machine": read_machine(),
        "seeds": dict(seeds),
    }


def _result_of(store: Store, name: str, key: str, status: Status) -> StageResult:
    record = store.record(name, key)
    if record is None:
        raise StoreError(f"{store.directory(name, key)}: vanished while the run went on; run again")
    cost = record["cost_usd"]
    return StageResult(
        stage=name,
        key=key,
        status=status,
        seconds=cast("float", record["seconds"]) if status == "ran" else 0.0,
        rows_in=cast("int", record["rows_in"]),
        rows_out=cast("int", record["rows_out"]),
        cost_usd=cast("float | None", cost),
    )
