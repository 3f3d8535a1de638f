"""The power of one rule before it is asked: what is assumed, the chance to pass here, the rows for .8, a curve.

Powers of shares and of paired right and wrong are exact sums; those of means and ratios are normal approximations by
the spread that the last run measured, for nobody knows it before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from distill.gates import alpha_of
from distill.gates.config import GateConfig, RuleConfig
from distill.metrics import COLD, GATE_METRICS, METRICS
from distill.statistics.power import NormalPlan, gate_power, needed_n
from distill.statistics.proportions import bound_power, needed_for_bound

ASSUMED_DISCORDANCE = (0.02, 0.05, 0.10)
"""Shares of examples on which student and teacher may differ: the plan cannot know, so it shows several."""
CURVE_ROWS = (50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000, 20_000)
WANTED_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan stands on: the held-out set to come, the how manieth look at it, what the last run saw (`seen_*`)."""

    rows: int
    discordances: Sequence[float] = ASSUMED_DISCORDANCE
    latency_rows: int = 100
    cold_starts: int = 1
    allowed_looks: int = 1
    look: int = 1
    has_gold: bool = True
    curve: bool = True
    seen_discordance: Mapping[str, float] = field(default_factory=dict[str, float])
    seen_plans: Mapping[tuple[object, ...], NormalPlan] = field(default_factory=dict[tuple[object, ...], NormalPlan])


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One rule under one assumption: power at this held-out set, and the rows at which it would be .8.

    `discordant` is the assumed share of rows on which exactly one system is right; `observed` says that an earlier run
    saw what is assumed. `heldout_rows` are those that the rule can use: latencies are measured on some of them.
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


def plan_rule(rule: RuleConfig, gate: GateConfig, basis: Basis) -> list[PowerRow]:
    """Return the rows of one rule; none where its power cannot be foreseen."""
    if rule.metric in COLD and (rule.max is not None or rule.min is not None):
        starts = replace(basis, rows=basis.cold_starts, latency_rows=basis.cold_starts)
        return _plan_quantile(
            rule, starts, alpha_of(basis.look, basis.allowed_looks, gate), GATE_METRICS[rule.metric].q or 0.5
        )
    if rule.metric not in METRICS:
        return []  # measured apart from the held-out rows: no number of them decides it
    metric, n = METRICS[rule.metric], basis.rows
    alpha, exact = alpha_of(basis.look, basis.allowed_looks, gate), gate.test != "score"
    if not basis.has_gold and rule.margin is not None and rule.versus == "teacher" and metric.kind == "mean":
        return [_plan_agreement(rule, n, alpha, psi) for psi in basis.discordances]
    if metric.kind == "quantile" and (rule.max is not None or rule.min is not None):
        return _plan_quantile(rule, basis, alpha, metric.q or 0.5)
    if rule.margin is not None and metric.kind == "mean" and metric.unit == "fraction":
        seen = basis.seen_discordance.get(rule.of)
        chosen = [(psi, False) for psi in basis.discordances] + ([] if seen is None else [(seen, True)])
        curve = CURVE_ROWS if basis.curve else ()
        return [_plan_margin(rule, n, alpha, psi, exact, is_seen, curve) for psi, is_seen in chosen]
    if rule.max is not None and metric.kind == "mean" and metric.unit == "fraction":
        return [_plan_bound(rule, n, alpha, rule.max, rate) for rate in (0.0, rule.max / 4, rule.max / 2)]
    if rule.min is not None and metric.kind == "mean" and metric.unit == "fraction":
        room = 1 - rule.min
        return [_plan_bound(rule, n, alpha, room, rate) for rate in (0.0, room / 2, 3 * room / 4)]
    plan = basis.seen_plans.get(name_of(rule))
    return [] if plan is None else [_plan_as_seen(rule, n, plan)]


def name_of(rule: RuleConfig) -> tuple[object, ...]:
    """Return what tells a rule from the others: what it asks of which system."""
    upper = rule.max if rule.max_ratio is None else rule.max_ratio
    return rule.metric, rule.of, rule.versus, rule.margin, upper, rule.min


def _plan_quantile(rule: RuleConfig, basis: Basis, alpha: float, q: float) -> list[PowerRow]:
    """Plan to show that few enough rows lie beyond the bound: a quantile's rule is one on that share."""
    share = 1 - q if rule.max is not None else q
    n, bound = min(basis.rows, basis.latency_rows), rule.max if rule.max is not None else rule.min
    return [
        replace(
            _bound_row(rule, n, alpha, share, rate),
            kind="max" if rule.max is not None else "min",
            bound=bound or 0.0,
            assumed=f"truly beyond it on {rate:.2%} of {'starts' if rule.metric in COLD else 'rows'}",
        )
        for rate in (0.0, share / 4, share / 2)
    ]


def _plan_as_seen(rule: RuleConfig, n: int, plan: NormalPlan) -> PowerRow:
    """Plan by the spread and the value that the last run measured."""
    kind = next(name for name in ("margin", "max", "min", "max_ratio") if getattr(rule, name) is not None)
    row = _row(rule, (kind, getattr(rule, kind)), n, plan.needed(WANTED_POWER), plan.power)
    assumed = f"equal to {rule.versus}" if kind == "margin" else "as it was measured"
    return replace(row, assumed=assumed, observed=True)


def _plan_margin(
    rule: RuleConfig, n: int, alpha: float, psi: float, exact: bool, seen: bool, curve: Sequence[int]
) -> PowerRow:
    margin = rule.margin or 0.0
    row = _row(
        rule,
        ("margin", margin),
        n,
        needed_n(margin, psi, 0.0, alpha, WANTED_POWER),
        lambda rows: gate_power(rows, margin, psi, 0.0, alpha, exact=exact),
        curve,
    )
    assumed = f"equal to {rule.versus}, {psi:.1%} of rows decided differently"
    return replace(row, assumed=assumed, discordant=psi, observed=seen)


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
    row = _row(rule, ("max", share), n, needed, lambda rows: bound_power(rows, share, rate, alpha))
    return replace(row, assumed=f"truly {rate:.2%}")


def _row(
    rule: RuleConfig,
    bound: tuple[str, float],
    n: int,
    needed: int | None,
    power: Callable[[int], float],
    curve: Sequence[int] = CURVE_ROWS,
) -> PowerRow:
    """Put a rule's row together from the chance to pass at any number of rows; what is assumed is still to be said."""
    kind, value = bound
    return PowerRow(
        rule=rule.metric,
        of=rule.of,
        kind=kind,
        bound=value,
        assumed="",
        discordant=None,
        heldout_rows=n,
        power=round(power(n), 3),
        needed_n=needed,
        power_at_needed=None if needed is None else round(power(needed), 3),
        curve=tuple((rows, round(power(rows), 3)) for rows in curve),
    )
