"""How many held-out rows a gate needs: per rule a table and a curve, before anything is paid.

Paired margins depend on how often student and teacher differ (`discordant`), which nobody knows beforehand: several are
shown, and the one an earlier run of the same name saw. Powers are exact sums, not the normal approximation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from distill.app.composition import Composition
from distill.app.outlook import ASSUMED_DISCORDANCE, estimate_spending
from distill.app.runs import latest_run
from distill.engine.parquet import read_table
from distill.gates.config import GateConfig, RuleConfig
from distill.metrics import METRICS
from distill.statistics.power import gate_power, needed_n
from distill.statistics.proportions import bound_power, needed_for_bound

CURVE_ROWS = (50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000)
WANTED_POWER = 0.8


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One rule under one assumption: power at this held-out set, and the rows at which it would be .8.

    `discordant` is the assumed share of rows on which exactly one system is right; `observed` says that an earlier run
    saw it. `true_rate` is, for a bound, the assumed true value.
    """

    rule: str
    of: str
    kind: str
    bound: float
    assumed: str
    discordant: float | None
    heldout_rows: int
    power: float
    needed_n: int | None
    power_at_needed: float | None
    observed: bool = False
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """What `distill power` prints."""

    heldout_rows: int
    confidence: float
    rows: tuple[PowerRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return one plain object; curves as lists of [rows, power]."""
        return {
            "heldout_rows": self.heldout_rows,
            "confidence": self.confidence,
            "wanted_power": WANTED_POWER,
            "rules": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }


def plan_power(
    composition: Composition, discordances: Sequence[float] = (), heldout_rows: int | None = None
) -> PowerPlan:
    """Return the power of every rule that has one; reads data, sends nothing.

    Raises:
        DataError: a source cannot be read.
    """
    gate = composition.config.gate
    n = heldout_rows or estimate_spending(composition).heldout_rows
    seen = observed_discordance(composition)
    rows: list[PowerRow] = []
    notes: list[str] = []
    for rule in gate.rules:
        shares = tuple(discordances) or ASSUMED_DISCORDANCE
        if composition.config.data.gold is None and rule.margin is not None and rule.versus == "teacher":
            found = [_plan_agreement(rule, n, 1 - gate.confidence, psi) for psi in shares]
        else:
            found = plan_rule(rule, gate, n, shares, seen.get(rule.of))
        rows += found
        if not found:
            notes.append(f"{rule.metric} of {rule.of}: power depends on its spread, which only a run can show")
        elif max(row.power for row in found) < WANTED_POWER:
            best = max(row.power for row in found)
            notes.append(
                f"underpowered: {n} held-out rows decide {rule.metric} of {rule.of} "
                f"({found[0].kind} {found[0].bound:g}) with power {best:.2f} at best"
            )
    if any(rule.per_slice for rule in gate.rules):
        notes.append(
            "per_slice: each slice needs these rows for itself, and more where several slices are judged (Holm)"
        )
    return PowerPlan(n, gate.confidence, tuple(rows), tuple(notes))


def plan_rule(
    rule: RuleConfig, gate: GateConfig, n: int, discordances: Sequence[float], seen: float | None
) -> list[PowerRow]:
    """Return the rows of one rule; none where its power cannot be foreseen."""
    if rule.metric not in METRICS:
        return []  # measured apart from the held-out rows: no number of them decides it
    metric = METRICS[rule.metric]
    alpha, exact = 1 - gate.confidence, gate.test != "score"
    if rule.margin is not None and metric.kind == "mean" and metric.unit == "fraction":
        chosen = [(psi, False) for psi in discordances] + ([] if seen is None else [(seen, True)])
        return [_plan_margin(rule, n, alpha, psi, is_seen, exact) for psi, is_seen in chosen]
    if rule.max is not None and metric.kind == "mean" and metric.unit == "fraction":
        return [_plan_bound(rule, n, alpha, rule.max, rate) for rate in (0.0, rule.max / 4, rule.max / 2)]
    if rule.min is not None and metric.kind == "mean" and metric.unit == "fraction":
        room = 1 - rule.min
        return [_plan_bound(rule, n, alpha, room, rate) for rate in (0.0, room / 2, 3 * room / 4)]
    return []


def _plan_margin(rule: RuleConfig, n: int, alpha: float, psi: float, seen: bool, exact: bool) -> PowerRow:
    margin = rule.margin or 0.0
    needed = needed_n(margin, psi, 0.0, alpha, WANTED_POWER)
    return PowerRow(
        rule=rule.metric,
        of=rule.of,
        kind="margin",
        bound=margin,
        assumed=f"equal to {rule.versus}, {psi:.1%} of rows decided differently",
        discordant=psi,
        heldout_rows=n,
        power=round(gate_power(n, margin, psi, 0.0, alpha, exact=exact), 3),
        needed_n=needed,
        power_at_needed=round(gate_power(needed, margin, psi, 0.0, alpha, exact=exact), 3),
        observed=seen,
        curve=tuple((rows, round(gate_power(rows, margin, psi, 0.0, alpha, exact=exact), 3)) for rows in CURVE_ROWS),
    )


def _plan_agreement(rule: RuleConfig, n: int, alpha: float, psi: float) -> PowerRow:
    """Plan a margin without gold: agreement of 1 - psi must be shown to be over 1 - margin."""
    row = _bound_row(rule, n, alpha, rule.margin or 0.0, psi)
    assumed = f"no gold; truly agrees on {1 - psi:.1%} of rows"
    return replace(row, rule="agreement", kind="margin", assumed=assumed, discordant=psi)


def _plan_bound(rule: RuleConfig, n: int, alpha: float, share: float, rate: float) -> PowerRow:
    """Plan a bound on a share of bad rows: the rule's own, or its complement for `min`."""
    row = _bound_row(rule, n, alpha, share, rate)
    if rule.max is not None:
        return row
    return replace(row, kind="min", bound=rule.min or 0.0, assumed=f"truly {1 - rate:.2%}")


def _bound_row(rule: RuleConfig, n: int, alpha: float, share: float, rate: float) -> PowerRow:
    """Plan to show that a share of bad rows that is truly `rate` is under `share`."""
    needed = needed_for_bound(rate, share, alpha, WANTED_POWER)
    return PowerRow(
        rule=rule.metric,
        of=rule.of,
        kind="max",
        bound=share,
        assumed=f"truly {rate:.2%}",
        discordant=None,
        heldout_rows=n,
        power=round(bound_power(n, share, rate, alpha), 3),
        needed_n=needed,
        power_at_needed=None if needed is None else round(bound_power(needed, share, rate, alpha), 3),
        curve=tuple((rows, round(bound_power(rows, share, rate, alpha), 3)) for rows in CURVE_ROWS),
    )


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
