"""How many held-out rows a gate needs: per rule a table and a curve, before anything is paid.

Paired margins depend on how often student and teacher differ (`discordant`), which nobody knows beforehand: several are
shown, and the one an earlier run of the same name saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from distill.app.composition import Composition
from distill.app.estimate import estimate_spending
from distill.app.rule_power import ASSUMED_DISCORDANCE, WANTED_POWER, Basis, PowerRow, plan_rule
from distill.app.runs import latest_run
from distill.engine.parquet import read_table
from distill.engine.store import Store
from distill.gates import alpha_of
from distill.metrics import METRICS
from distill.stages.looks import read_looks
from distill.stages.split import OPEN
from distill.statistics.power import NormalPlan


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """What `distill power` prints."""

    heldout_rows: int
    confidence: float
    rows: tuple[PowerRow, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    unforeseen: tuple[str, ...] = ()
    """Rules whose power depends on a spread that only a run can show."""

    def to_json(self) -> dict[str, Any]:
        """Return one plain object; curves as lists of [rows, power]."""
        return {
            "heldout_rows": self.heldout_rows,
            "confidence": self.confidence,
            "wanted_power": WANTED_POWER,
            "rules": [asdict(row) for row in self.rows],
            "notes": [*self.warnings, *self.describe_unforeseen(), *self.notes],
        }

    def describe_unforeseen(self) -> tuple[str, ...]:
        """Name the rules without a power in one line; none where there is no such rule."""
        if not self.unforeseen:
            return ()
        return (f"power unknown before a first run, for it depends on the spread: {'; '.join(self.unforeseen)}",)


def plan_power(
    composition: Composition,
    discordances: Sequence[float] = (),
    heldout_rows: int | None = None,
    *,
    curve: bool = True,
) -> PowerPlan:
    """Return the power of every rule that has one; reads data, sends nothing.

    Raises:
        DataError: a source cannot be read.
    """
    config = composition.config
    look = foresee_look(composition, heldout_rows)
    basis = Basis(
        rows=heldout_rows or estimate_spending(composition).heldout_rows,
        discordances=tuple(discordances) or ASSUMED_DISCORDANCE,
        latency_rows=config.evaluate.latency_rows,
        cold_starts=config.evaluate.cold_starts,
        allowed_looks=config.data.heldout.allowed_looks,
        look=look,
        has_gold=config.data.gold is not None,
        curve=curve,
        seen_discordance=observed_discordance(composition),
        seen_plans=observed_plans(composition),
    )
    rows: list[PowerRow] = []
    warnings: list[str] = []
    notes: list[str] = []
    unforeseen: list[str] = []
    alpha = alpha_of(look, basis.allowed_looks, config.gate)
    if look > basis.allowed_looks:
        warnings.append(
            f"this would be look {look} at this held-out set ({basis.allowed_looks} allowed): each rule would be "
            f"tested at {alpha:.4g} instead of {1 - config.gate.confidence:.4g}"
        )
    for rule in config.gate.rules:
        found = plan_rule(rule, config.gate, basis)
        rows += found
        if not found and rule.metric in METRICS:
            unforeseen.append(f"{rule.metric} of {rule.of}")
        elif found and max(row.power for row in found) < WANTED_POWER:
            said = _say_underpowered(found, rule.policy)
            (notes if rule.per_slice or rule.policy == "warn" else warnings).append(said)
    if any(rule.per_slice for rule in config.gate.rules):
        notes.append(
            "per_slice: each slice needs these rows for itself, and more where several slices are judged (Holm)"
        )
    return PowerPlan(
        basis.rows,
        config.gate.confidence,
        tuple(rows),
        tuple(notes),
        tuple(warnings),
        tuple(dict.fromkeys(unforeseen)),
    )


def foresee_look(composition: Composition, heldout_rows: int | None = None) -> int:
    """Return which look at the held-out set this run would be; 1 where none of `heldout_rows` rows is sealed yet."""
    state, keys = composition.runtime.state_dir, composition.plan.keys
    try:
        seal = json.loads(
            (Store(state).directory("split", keys["split"]) / OPEN / "seal.json").read_text(encoding="utf-8")
        )
    except FileNotFoundError:
        return 1
    if heldout_rows not in (None, seal["rows"]):
        return 1
    looks = read_looks(state, seal["digest"])
    return looks.index(keys["evaluate"]) + 1 if keys["evaluate"] in looks else len(looks) + 1


def _say_underpowered(found: Sequence[PowerRow], policy: str) -> str:
    best = max(found, key=lambda row: row.power)
    only = " (it only warns)" if policy == "warn" else ""
    return (
        f"underpowered: {best.heldout_rows} {'timed' if best.rule.endswith('_ms') else 'held-out'} rows decide "
        f"{best.rule} of {best.of} ({best.kind} {best.bound:g}) with power {best.power:.2f} at best{only}"
    )


def observed_plans(composition: Composition) -> dict[tuple[object, ...], NormalPlan]:
    """Return the normal plans of the latest run's rules over all rows, by what they ask."""
    run = latest_run(composition.runtime.runs_dir, composition.config.name)
    path = None if run is None else run.directory / "gate.json"
    if path is None or not path.is_file():
        return {}
    rules: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rules"]
    return {
        tuple(rule[key] for key in ("metric", "of", "versus", "margin", "max", "min")): NormalPlan(
            rule["power_signal"], rule["power_hurdle"]
        )
        for rule in rules
        if rule["slice"] is None and rule.get("power_signal") is not None
    }


def observed_discordance(composition: Composition) -> Mapping[str, float]:
    """Return, per judged system of the latest run, how often exactly one of it and the teacher was right."""
    run = latest_run(composition.runtime.runs_dir, composition.config.name)
    path = None if run is None else run.directory / "predictions.parquet"
    if path is None or not path.is_file():
        return {}
    rows = cast("list[dict[str, Any]]", read_table(path, ["id", "system", "repeat", "correct"]).to_pylist())
    right = {(row["system"], row["id"]): bool(row["correct"]) for row in rows if row["repeat"] == 0}
    ids = [name for system, name in right if system == "teacher"]
    found: dict[str, float] = {}
    for system in ("student", "cascade"):
        differ = [right["teacher", name] != right[system, name] for name in ids if (system, name) in right]
        if differ:
            found[system] = max(1, sum(differ)) / len(differ)
    return found
